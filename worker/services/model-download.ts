/** What people download: signed URLs of a committed checkpoint's files, and of the files inside its model archive. */
import type { CheckpointManifest } from "../../protocol";
import { SIGNED_URL_TTL_MS, type CheckpointRecord } from "../domain/artifacts";
import { DomainError, notFound } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, Clock, ManifestStore, UrlSigner } from "../domain/ports";
import type { CheckpointDetail, ModelArchive, ModelDownload } from "./services";

const MODEL_ARCHIVE = "model.tar.gz";

export interface DownloadPorts {
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  urls: UrlSigner;
  clock: Clock;
}

/** The archive alone: what a job's own page shows, without reading the manifest. null: there is none to be had. */
export async function modelArchive(ports: DownloadPorts, job: JobRecord, origin: string): Promise<ModelArchive | null> {
  if (job.status !== "completed" || job.finalCheckpointId === null) return null;
  const checkpoint = await ports.checkpoints.get(job.id, job.finalCheckpointId);
  if (checkpoint?.state !== "committed" || checkpoint.modelKey === null) return null;
  const archiveUrl = await signModel(ports, checkpoint, origin, MODEL_ARCHIVE);
  return { checkpoint, archiveUrl, expiresAtMs: ports.clock.nowMs() + SIGNED_URL_TTL_MS };
}

/** The archive, and its files one by one. */
export async function modelDownload(ports: DownloadPorts, job: JobRecord, origin: string): Promise<ModelDownload> {
  const archive = await modelArchive(ports, job, origin);
  if (!archive) throw await noModel(ports, job);
  const manifest = await ports.manifests.read(archive.checkpoint);
  const members = manifest.files.find((file) => file.role === "model")?.members ?? [];
  const files = members.map(async ({ path, tar_offset: tarOffset, size: sizeBytes }) => {
    const filename = path.split("/").at(-1) ?? path;
    const url = await signModel(ports, archive.checkpoint, origin, filename, { tarOffset, sizeBytes });
    return { path, sizeBytes, url };
  });
  return { ...archive, files: await Promise.all(files) };
}

async function noModel(ports: DownloadPorts, job: JobRecord): Promise<DomainError> {
  if (job.status !== "completed") {
    return new DomainError("invalid_request", `the model is there when the job has completed; it is ${job.status}`);
  }
  if (job.task.kind === "preprocess") {
    return new DomainError("invalid_request", "a preprocess job has no model; its checkpoint has what it made");
  }
  // The final checkpoint proved bad after the job had completed.
  const all = await ports.checkpoints.withOrdinals(job.id);
  const before = all.findLast(({ state }) => state === "committed");
  const instead = before
    ? `the one before is checkpoint ${String(before.ordinal)}, of step ${String(before.step)}`
    : "there is no other; train again";
  return new DomainError("conflict", `the stored model is not what was trained (its SHA-256 is another): ${instead}`);
}

function signModel(
  ports: DownloadPorts,
  { accountId, modelKey, modelSizeBytes, modelSha256 }: CheckpointRecord,
  origin: string,
  filename: string,
  member?: { tarOffset: number; sizeBytes: number },
): Promise<string> {
  const whole = { key: modelKey ?? "", sizeBytes: modelSizeBytes ?? 0, sha256: modelSha256 ?? "" };
  const blob = { ...whole, filename, accountId, member };
  return ports.urls.download(blob, origin);
}

export async function getCheckpoint(
  ports: DownloadPorts,
  job: JobRecord,
  id: string | null,
  origin: string,
): Promise<CheckpointDetail> {
  const checkpoint = id === null ? null : await ports.checkpoints.get(job.id, id);
  if (checkpoint?.state !== "committed") throw notFound("checkpoint");
  return { checkpoint, files: await checkpointFiles(ports, checkpoint, origin) };
}

/** Every file of a checkpoint with a signed URL. */
export async function checkpointFiles(
  ports: Pick<DownloadPorts, "manifests" | "urls">,
  checkpoint: CheckpointRecord,
  origin: string,
): Promise<CheckpointDetail["files"]> {
  const manifest: CheckpointManifest = await ports.manifests.read(checkpoint);
  return Promise.all(
    manifest.files.map(async ({ role, path, size, sha256, key }) => {
      const filename = path.split("/").at(-1) ?? path;
      const blob = { key, sizeBytes: size, sha256, filename, accountId: checkpoint.accountId };
      return { role, path, sizeBytes: size, sha256, url: await ports.urls.download(blob, origin) };
    }),
  );
}
