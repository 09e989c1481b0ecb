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

/** The archive alone: what a job's own page shows, without reading the manifest. */
export async function modelArchive(ports: DownloadPorts, job: JobRecord, origin: string): Promise<ModelArchive> {
  if (job.status !== "completed" || job.finalCheckpointId === null) {
    throw new DomainError("invalid_request", `the model is there when the job has completed; it is ${job.status}`);
  }
  const checkpoint = await ports.checkpoints.get(job.id, job.finalCheckpointId);
  if (!checkpoint?.modelKey) throw notFound("model");
  const archiveUrl = await signModel(ports, checkpoint, origin, MODEL_ARCHIVE);
  return { checkpoint, archiveUrl, expiresAtMs: ports.clock.nowMs() + SIGNED_URL_TTL_MS };
}

/** The archive, and its files one by one. */
export async function modelDownload(ports: DownloadPorts, job: JobRecord, origin: string): Promise<ModelDownload> {
  const archive = await modelArchive(ports, job, origin);
  const manifest = await ports.manifests.read(archive.checkpoint);
  const members = manifest.files.find((file) => file.role === "model")?.members ?? [];
  const files = members.map(async ({ path, tar_offset: tarOffset, size: sizeBytes }) => {
    const filename = path.split("/").at(-1) ?? path;
    const url = await signModel(ports, archive.checkpoint, origin, filename, { tarOffset, sizeBytes });
    return { path, sizeBytes, url };
  });
  return { ...archive, files: await Promise.all(files) };
}

function signModel(
  ports: DownloadPorts,
  { accountId, modelKey, modelSizeBytes }: CheckpointRecord,
  origin: string,
  filename: string,
  member?: { tarOffset: number; sizeBytes: number },
): Promise<string> {
  const blob = { key: modelKey ?? "", sizeBytes: modelSizeBytes ?? 0, filename, accountId, member };
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
      const blob = { key, sizeBytes: size, filename, accountId: checkpoint.accountId };
      return { role, path, sizeBytes: size, sha256, url: await ports.urls.download(blob, origin) };
    }),
  );
}
