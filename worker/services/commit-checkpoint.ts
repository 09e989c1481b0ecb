/**
 * Checkpoints of a lease (design/bytes.md), in the job's object. Begin opens uploads at fresh keys; the agent puts parts;
 * commit completes and verifies them, writes the manifest and then, by a transition, the row that makes it count. Every
 * step may be repeated. Accepted: uploads that are never committed stay until R2 drops them after 7 days.
 */
import {
  CHECKPOINT_PART_BYTES,
  type BeginCheckpointRequest,
  type BeginCheckpointResponse,
  type CheckpointManifest,
  type CommitCheckpointRequest,
  type CommitCheckpointResponse,
} from "../../protocol";
import type { CheckpointRecord } from "../domain/artifacts";
import { DomainError, invalid } from "../domain/errors";
import type { Faults } from "../domain/faults";
import type { JobRecord } from "../domain/job";
import type {
  BlobStore,
  CheckpointStore,
  Clock,
  Ids,
  Later,
  ManifestStore,
  MultipartStore,
  UrlSigner,
} from "../domain/ports";
import type { JobDoor } from "./job-door";
import type { TaskReports } from "./report-task";

/** Resume checkpoints are for going on; the newest two are enough should the newest prove bad. */
const RESUME_CHECKPOINTS_KEPT = 2;

/** All parts of a checkpoint together: 640 GB, and an answer of a few MB. */
const MAX_PARTS = 10_000;

export interface CheckpointPorts {
  jobId: string;
  door: JobDoor;
  reports: TaskReports;
  checkpoints: CheckpointStore;
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
    const { ids, jobId } = this.#ports;
    await this.#live(agentId, epoch);
    const parts = request.files.reduce((sum, file) => sum + partCount(file.size), 0);
    if (parts > MAX_PARTS) {
      throw invalid(
        "files",
        `need ${String(parts)} parts of ${String(CHECKPOINT_PART_BYTES)} bytes; a checkpoint may have ${String(MAX_PARTS)}`,
      );
    }
    const nonce = ids.randomHex(8);
    const files = await Promise.all(
      request.files.map(async (file, index) => {
        const key = `ckpt/${jobId}/${String(epoch)}/${String(request.step)}/${nonce}/${String(index)}`;
        return { path: file.path, role: file.role, ...(await this.#openUpload(key, file.size, origin)) };
      }),
    );
    return { checkpoint_id: ids.next(), files };
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
    const models = request.files.filter((file) => file.role === "model").length;
    if (models !== (request.kind === "resume" ? 0 : 1)) {
      throw invalid("files", `a checkpoint of kind ${request.kind} was sent with ${String(models)} model files`);
    }
    // An attempt that goes on from before a committed epoch trains it again, to the same weights: the first one stands.
    const twin = await this.#twin(request);
    if (twin) return { checkpoint_id: twin.id, ordinal: twin.ordinal };
    const job = await door.settled();
    await faults.at("parts_uploaded");
    const keys = await Promise.all(request.files.map((file) => this.#complete(file, epoch)));
    await faults.at("parts_completed");
    const ordinal = request.kind === "resume" ? null : await this.#nextOrdinal();
    const record = await this.#writeManifest(job, request, keys, ordinal);
    await faults.at("manifest_stored");
    const { id, kind, step } = record;
    await door.transition({ type: "commit_checkpoint", epoch, checkpoint: { id, kind, step, ordinal } }, id, record);
    if (kind !== "epoch") this.#ports.later(this.#dropOldResumes(kind === "final" ? 0 : RESUME_CHECKPOINTS_KEPT));
    return { checkpoint_id: id, ordinal };
  }

  /** Throws unless the lease is live, or comes to life again. */
  async #live(agentId: string, epoch: number): Promise<void> {
    const { reports } = this.#ports;
    const lease = await reports.live(reports.fence(agentId, epoch));
    if (lease.state !== "live") throw new DomainError("stale_lease", "the job has ended; nothing more is stored");
  }

  async #twin({ kind, step }: CommitCheckpointRequest): Promise<CheckpointRecord | undefined> {
    if (kind === "resume") return undefined;
    const existing = await this.#ports.checkpoints.withOrdinals(this.#ports.jobId);
    return existing.find((twin) => twin.kind === kind && twin.step === step && twin.state === "committed");
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
    const model = manifest.files.find((file) => file.role === "model");
    return {
      id: checkpoint_id,
      jobId: job.id,
      accountId: job.accountId,
      attempt: job.task.attempt,
      ...{ kind, step, epoch, ordinal, manifestKey, manifestSha256 },
      modelSha256: model?.sha256 ?? null,
      modelKey: model?.key ?? null,
      modelSizeBytes: model?.size ?? null,
      sizeBytes: request.files.reduce((sum, file) => sum + file.size, 0),
      state: "committed",
      createdAtMs: this.#ports.clock.nowMs(),
    };
  }

  async #dropOldResumes(keep: number): Promise<void> {
    const { checkpoints, manifests, blobs, jobId } = this.#ports;
    const old = await checkpoints.resumesBeyond(jobId, keep);
    if (old.length === 0) return;
    for (const checkpoint of old) {
      const manifest = await manifests.read(checkpoint);
      // Marked first: nobody may begin to read what is about to go. The manifest goes last, so a retry finds the rest.
      await checkpoints.markDeleted([checkpoint.id]);
      await blobs.delete([...manifest.files.map((file) => file.key), checkpoint.manifestKey]);
    }
  }
}

function partCount(size: number): number {
  return Math.max(1, Math.ceil(size / CHECKPOINT_PART_BYTES));
}
