/** What people download: signed URLs of a committed checkpoint's files, and of the files inside its model archive. */
import type { CheckpointManifest } from "../../protocol";
import type { CheckpointRecord } from "../domain/artifacts";
import { DomainError, notFound } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, Clock, ManifestStore, UrlSigner } from "../domain/ports";
import type { CheckpointDetail, ModelDownload } from "./services";

/** Signed URLs are good for an hour (design/bytes.md). */
const URL_TTL_MS = 60 * 60 * 1000;

export interface DownloadPorts {
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  urls: UrlSigner;
  clock: Clock;
}

export async function modelDownload(ports: DownloadPorts, job: JobRecord, origin: string): Promise<ModelDownload> {
  if (job.status !== "completed" || job.finalCheckpointId === null) {
    throw new DomainError("invalid_request", `the model is there when the job has completed; it is ${job.status}`);
  }
  const checkpoint = await ports.checkpoints.get(job.id, job.finalCheckpointId);
  if (!checkpoint) throw notFound("checkpoint");
  const manifest = await ports.manifests.read(checkpoint);
  const archive = manifest.files.find((file) => file.role === "model");
  if (!archive) throw notFound("model");
  const { accountId } = job;
  const sign = (filename: string, member?: { tarOffset: number; sizeBytes: number }) =>
    ports.urls.download({ key: archive.key, sizeBytes: archive.size, filename, accountId, member }, origin);
  return {
    checkpoint,
    archiveUrl: await sign(archive.path),
    files: await Promise.all(
      (archive.members ?? []).map(async ({ path, tar_offset, size }) => ({
        path,
        sizeBytes: size,
        url: await sign(path.split("/").at(-1) ?? path, { tarOffset: tar_offset, sizeBytes: size }),
      })),
    ),
    expiresAtMs: ports.clock.nowMs() + URL_TTL_MS,
  };
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
      const blob = { key, sizeBytes: size, filename, accountId: checkpoint.accountId };
      return { role, path, sizeBytes: size, sha256, url: await ports.urls.download(blob, origin) };
    }),
  );
}
