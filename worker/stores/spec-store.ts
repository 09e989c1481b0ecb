/**
 * What a job asks for. A spec over 4 KiB would make every row and every list heavy: it is in R2, its key and digest in
 * D1, and the row keeps it with those parts cut short that can be long: system prompt, description, the labels to rebalance. Accepted: the
 * file of a job that was then not created stays, a few KiB that nobody reads.
 */
import { jobSpec, type JobSpec } from "../../protocol";
import type { JobRecord } from "../domain/job";
import type { BlobStore, SpecStore } from "../domain/ports";
import { sha256Hex } from "./digests";

const MAX_ROW_BYTES = 4096;
const SHORT_CHARS = 200;
/** A request's body is smaller. */
const MAX_SPEC_BYTES = 1024 * 1024;

export class R2SpecStore implements SpecStore {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async keep(jobId: string, spec: JobSpec): Promise<Pick<JobRecord, "spec" | "specKey" | "specSha256">> {
    const bytes = new TextEncoder().encode(JSON.stringify(spec));
    if (bytes.byteLength <= MAX_ROW_BYTES) return { spec, specKey: null, specSha256: null };
    const specSha256 = await sha256Hex(bytes);
    const specKey = `specs/${jobId}.json`;
    await this.#blobs.putIfAbsent(specKey, bytes);
    return { spec: shortened(spec), specKey, specSha256 };
  }

  async read(job: JobRecord): Promise<JobSpec> {
    if (job.specKey === null) return job.spec;
    const bytes = await this.#blobs.getBytes(job.specKey, MAX_SPEC_BYTES);
    if (!bytes) throw new Error(`the spec of job ${job.id} is missing`);
    if ((await sha256Hex(bytes)) !== job.specSha256) {
      throw new Error(`the spec of job ${job.id} is not the one that was submitted`);
    }
    return jobSpec.parse(JSON.parse(new TextDecoder().decode(bytes)));
  }
}

function shortened(spec: JobSpec): JobSpec {
  const h = spec.hyperparameters;
  return {
    ...spec,
    ...(spec.description === undefined ? {} : { description: cut(spec.description) }),
    ...(spec.rebalance === undefined ? {} : { rebalance: { ...spec.rebalance, labels: {} } }),
    hyperparameters: "system_prompt" in h ? { ...h, system_prompt: cut(h.system_prompt ?? "") } : h,
  } as JobSpec;
}

function cut(text: string): string {
  return text.length <= SHORT_CHARS ? text : `${text.slice(0, SHORT_CHARS).toWellFormed()}…`;
}
