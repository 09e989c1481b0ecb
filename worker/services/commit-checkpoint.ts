/**
 * Checkpoints of a lease (design/bytes.md), in the job's object. Begin opens uploads at fresh keys; the agent puts parts;
 * commit completes and verifies them, writes the manifest and then, by a transition, the row that makes it count. Every
 * step may be repeated. What is begun and never committed is swept after 7 days, and R2 itself drops open uploads then.
 */
import {
  CHECKPOINT_PART_BYTES,
  type BeginCheckpointRequest,
  type BeginCheckpointResponse,
  type CheckpointManifest,
  type CommitCheckpointRequest,
  type CommitCheckpointResponse,
} from "../../protocol";
import { READ_BACK_MAX_BYTES, VERIFY_AGAIN_MS, type CheckpointRecord } from "../domain/artifacts";
import { checkParts } from "../domain/checkpoint-parts";
import { DomainError, invalid } from "../domain/errors";
import type { Faults } from "../domain/faults";
import type { JobRecord } from "../domain/job";
import type {
  BegunStore,
  BlobStore,
  CheckpointStore,
  Clock,
  Ids,
  Later,
  ManifestStore,
  MultipartStore,
  UrlSigner,
  VerifyQueue,
} from "../domain/ports";
import { dropResumesBehind } from "./drop-old-resumes";
import type { JobDoor } from "./job-door";
import type { TaskReports } from "./report-task";

/** All parts of a checkpoint together: 640 GB, and an answer of a few MB. */
const MAX_PARTS = 10_000;

export interface CheckpointPorts {
  jobId: string;
  door: JobDoor;
  reports: TaskReports;
  checkpoints: CheckpointStore;
  begun: BegunStore;
  verifyQueue: VerifyQueue;
  manifests: ManifestStore;
  multipart: MultipartStore;
  blobs: BlobStore;
  urls: UrlSigner;
  ids: Ids;
  clock: Clock;
  later: Later;
  faults: Faults;
  sha256Hex: (bytes: Uint8Array) => Promise<string>;
}

export class TaskCheckpoints {
  readonly #ports: CheckpointPorts;

  constructor(ports: CheckpointPorts) {
    this.#ports = ports;
  }

  async begin(
    agentId: string,
    epoch: number,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<BeginCheckpointResponse> {
    const { ids, jobId, begun, clock } = this.#ports;
    await this.#live(agentId, epoch);
    const parts = request.files.reduce((sum, file) => sum + partCount(file.size), 0);
    if (parts > MAX_PARTS) {
      throw invalid(
        "files",
        `need ${String(parts)} parts of ${String(CHECKPOINT_PART_BYTES)} bytes; a checkpoint may have ${String(MAX_PARTS)}`,
      );
    }
    const prefix = `ckpt/${jobId}/${String(epoch)}/${String(request.step)}/${ids.randomHex(8)}/`;
    const checkpointId = ids.next();
    await begun.add({ checkpointId, jobId, prefix, begunAtMs: clock.nowMs() });
    const files = await Promise.all(
      request.files.map(async (file, index) => {
        const key = prefix + String(index);
        return { path: file.path, role: file.role, ...(await this.#openUpload(key, file.size, origin)) };
      }),
    );
    return { checkpoint_id: checkpointId, files };
  }

  async #openUpload(key: string, size: number, origin: string) {
    const { multipart, urls } = this.#ports;
    const uploadId = await multipart.open(key);
    const count = partCount(size);
    const parts = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const number = index + 1;
        const partSize = Math.min(CHECKPOINT_PART_BYTES, size - index * CHECKPOINT_PART_BYTES);
        const url = await urls.part({ key, uploadId, number, size: partSize }, origin);
        return { number, size: partSize, url, headers: {} };
      }),
    );
    return { upload: `${uploadId}@${key}`, parts };
  }

  async commit(agentId: string, epoch: number, request: CommitCheckpointRequest): Promise<CommitCheckpointResponse> {
    const { door, checkpoints, jobId, faults } = this.#ports;
    this.#ports.reports.fence(agentId, epoch);
    const already = await checkpoints.get(jobId, request.checkpoint_id);
    if (already) return { checkpoint_id: already.id, ordinal: already.ordinal };
    await this.#live(agentId, epoch);
    const job = await door.settled();
    checkParts(job.task.kind, request);
    // An attempt that goes on from before a committed epoch trains it again, to the same weights: the first one stands.
    const twin = await this.#twin(request);
    if (twin) return { checkpoint_id: twin.id, ordinal: twin.ordinal };
    if (request.kind === "test") await this.#requireTested(job, request.step);
    await faults.at("parts_uploaded");
    const keys = await Promise.all(request.files.map((file) => this.#complete(file, epoch)));
    await faults.at("parts_completed");
    const hasOrdinal = request.kind === "epoch" || request.kind === "final";
    const ordinal = hasOrdinal ? await this.#nextOrdinal() : null;
    const record = await this.#writeManifest(job, request, keys, ordinal);
    await faults.at("manifest_stored");
    const { id, kind, step } = record;
    await door.transition({ type: "commit_checkpoint", epoch, checkpoint: { id, kind, step, ordinal } }, id, record);
    this.#ports.later(this.#afterCommit(record));
    return { checkpoint_id: id, ordinal };
  }

  /** Whatever of this is lost, the sweep makes up for: the row of the begin goes last. */
  async #afterCommit(record: CheckpointRecord): Promise<void> {
    const { begun, verifyQueue } = this.#ports;
    const { id, jobId, verifyAfterMs } = record;
    if (verifyAfterMs !== null) await verifyQueue.sendMany([{ jobId, checkpointId: id, file: 0 }]);
    await dropResumesBehind(this.#ports, record);
    await begun.remove(id);
  }

  /** Throws unless the lease is live, or comes to life again. */
  async #live(agentId: string, epoch: number): Promise<void> {
    const { reports } = this.#ports;
    const lease = await reports.live(reports.fence(agentId, epoch));
    if (lease.state !== "live") throw new DomainError("stale_lease", "the job has ended; nothing more is stored");
  }

  async #twin({ kind, step }: CommitCheckpointRequest): Promise<CheckpointRecord | undefined> {
    if (kind === "resume") return undefined;
    const { checkpoints, jobId } = this.#ports;
    const existing = await (kind === "test" ? checkpoints.tests(jobId) : checkpoints.withOrdinals(jobId));
    return existing.find((twin) => twin.kind === kind && twin.step === step && twin.state === "committed");
  }

  /** A test is of a checkpoint that the job has, whatever has become of its files. */
  async #requireTested(job: JobRecord, step: number): Promise<void> {
    if (job.spec.test === undefined) throw invalid("kind", "this job asks for no tests");
    const models = await this.#ports.checkpoints.withOrdinals(job.id);
    if (!models.some((model) => model.step === step)) {
      throw invalid("step", `the job has no checkpoint of step ${String(step)} to be tested`);
    }
  }

  async #complete(file: CommitCheckpointRequest["files"][number], epoch: number): Promise<string> {
    const at = file.upload.indexOf("@");
    const [uploadId, key] = [file.upload.slice(0, at), file.upload.slice(at + 1)];
    if (!key.startsWith(`ckpt/${this.#ports.jobId}/${String(epoch)}/`)) {
      throw new DomainError("invalid_request", "this upload belongs to another lease", { field: "files.upload" });
    }
    await this.#ports.multipart.complete(key, uploadId, file.parts, file.size, file.sha256);
    return key;
  }

  async #nextOrdinal(): Promise<number> {
    const existing = await this.#ports.checkpoints.withOrdinals(this.#ports.jobId);
    return (existing.at(-1)?.ordinal ?? 0) + 1;
  }

  async #writeManifest(
    job: JobRecord,
    request: CommitCheckpointRequest,
    keys: string[],
    ordinal: number | null,
  ): Promise<CheckpointRecord> {
    const { checkpoint_id, kind, step, epoch, world_size, torch_threads, versions } = request;
    const manifest: CheckpointManifest = {
      version: 1,
      checkpoint_id,
      job_id: job.id,
      attempt: job.task.attempt,
      ...{ kind, step, epoch, ordinal, world_size, torch_threads, versions },
      files: request.files.map(({ upload: _upload, parts, ...file }, index) => ({
        ...file,
        key: keys[index] ?? "",
        part_md5s: parts.map((part) => part.md5),
      })),
    };
    const bytes = new TextEncoder().encode(JSON.stringify(manifest));
    const manifestSha256 = await this.#ports.sha256Hex(bytes);
    // The digest is in the key: a repeat with another ordinal is another manifest, and none is ever overwritten.
    const manifestKey = `ckpt/${job.id}/manifests/${checkpoint_id}-${manifestSha256.slice(0, 16)}.json`;
    await this.#ports.blobs.putIfAbsent(manifestKey, bytes);
    const fetched = manifest.files.find((file) => file.role === "model" || file.role === "results");
    return {
      id: checkpoint_id,
      jobId: job.id,
      accountId: job.accountId,
      attempt: job.task.attempt,
      ...{ kind, step, epoch, ordinal, manifestKey, manifestSha256 },
      modelSha256: fetched?.sha256 ?? null,
      modelKey: fetched?.key ?? null,
      modelSizeBytes: fetched?.size ?? null,
      sizeBytes: request.files.reduce((sum, file) => sum + file.size, 0),
      state: "committed",
      results: request.results ?? null,
      ...this.#times(request.files),
    };
  }

  #times(files: { size: number }[]): Pick<CheckpointRecord, "createdAtMs" | "verifyAfterMs"> {
    const createdAtMs = this.#ports.clock.nowMs();
    const unread = files.some(({ size }) => size > READ_BACK_MAX_BYTES);
    return { createdAtMs, verifyAfterMs: unread ? createdAtMs + VERIFY_AGAIN_MS : null };
  }
}

function partCount(size: number): number {
  return Math.max(1, Math.ceil(size / CHECKPOINT_PART_BYTES));
}
