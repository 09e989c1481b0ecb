/** One file of what a completed task has left, streamed or as a signed URL. */
import type { CheckpointManifest } from "../../protocol";
import { SIGNED_URL_TTL_MS } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { BlobStore, CheckpointStore, Clock, ManifestStore, SignedDownload, UrlSigner } from "../domain/ports";
import { blobResponse, type DownloadRequest } from "./download-blob";
import type { ArtifactUrl, TaskArtifactRole } from "./task-services";

export interface ArtifactPorts {
  checkpoints: CheckpointStore;
  manifests: ManifestStore;
  blobs: BlobStore;
  urls: UrlSigner;
  clock: Clock;
}

export async function artifactResponse(
  ports: ArtifactPorts,
  job: JobRecord,
  role: TaskArtifactRole,
  filename: string,
  request: DownloadRequest,
): Promise<Response> {
  return blobResponse(ports.blobs, await finalFile(ports, job, role, filename), request);
}

export async function artifactUrl(
  ports: ArtifactPorts,
  job: JobRecord,
  role: TaskArtifactRole,
  filename: string,
  origin: string,
): Promise<ArtifactUrl> {
  const blob = await finalFile(ports, job, role, filename);
  const url = await ports.urls.download(blob, origin);
  const { sizeBytes, sha256 } = blob;
  return { url, sizeBytes, sha256, expiresAtMs: ports.clock.nowMs() + SIGNED_URL_TTL_MS };
}

async function finalFile(
  ports: ArtifactPorts,
  job: JobRecord,
  role: TaskArtifactRole,
  filename: string,
): Promise<SignedDownload> {
  const manifest = await finalManifest(ports, job, role);
  const file = manifest.files.find((stored) => stored.role === role);
  if (!file) throw new DomainError("not_found", `a task of kind ${job.task.kind} leaves no ${role}`);
  return { key: file.key, sizeBytes: file.size, sha256: file.sha256, filename, accountId: job.accountId };
}

async function finalManifest(
  { checkpoints, manifests }: ArtifactPorts,
  job: JobRecord,
  role: TaskArtifactRole,
): Promise<CheckpointManifest> {
  if (job.status !== "completed" || job.finalCheckpointId === null) {
    throw new DomainError("invalid_request", `the ${role} is there when the task has completed; it is ${job.status}`);
  }
  const checkpoint = await checkpoints.get(job.id, job.finalCheckpointId);
  if (checkpoint?.state !== "committed") {
    throw new DomainError("conflict", `the stored ${role} is not what was made (its SHA-256 is another)`);
  }
  return manifests.read(checkpoint);
}
