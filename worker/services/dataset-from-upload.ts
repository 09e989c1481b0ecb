/**
 * A dataset of a completed upload: the same checks as of a direct upload, over the bytes where they lie. The dataset takes
 * the upload's id and key, so nothing is copied, and asking again finds it. D1 decides against an expiry that comes in
 * between: whoever changes the upload's row first has its bytes.
 */
import type { Principal } from "../domain/accounts";
import type { DatasetRecord } from "../domain/artifacts";
import { DatasetScanner, type DatasetProfile } from "../domain/dataset-scan";
import { checkedName, DomainError, notFound } from "../domain/errors";
import { fileStem } from "../domain/file-kind";
import { largeChunks } from "../domain/large-chunks";
import type { BlobStore, Clock, DatasetStore } from "../domain/ports";
import type { Digest, UploadStore } from "../domain/upload-ports";
import type { UploadRecord } from "../domain/uploads";

export interface DatasetFromUploadPorts {
  uploads: UploadStore;
  datasets: DatasetStore;
  blobs: BlobStore;
  clock: Clock;
  newDigest: () => Digest;
}

export async function datasetFromUpload(
  ports: DatasetFromUploadPorts,
  principal: Pick<Principal, "accountId" | "projectId">,
  request: { uploadId: string | null; name: string | undefined },
): Promise<DatasetRecord> {
  const { accountId, projectId } = principal;
  const upload = request.uploadId === null ? null : await ports.uploads.get(accountId, request.uploadId);
  if (!upload) throw new DomainError("not_found", "upload not found", { field: "upload_id" });
  const name = checkedName(request.name ?? fileStem(upload.filename));
  if (upload.state === "used") return existing(ports, upload);
  if (upload.state !== "completed") throw notReady(upload);
  const { profile, sha256, sizeBytes } = await profiled(ports, upload);
  const dataset: DatasetRecord = {
    id: upload.id,
    ...{ accountId, projectId, name, sizeBytes, sha256 },
    sourceType: "upload",
    ...profile,
    r2Key: upload.r2Key,
    fileName: upload.filename,
    createdAtMs: ports.clock.nowMs(),
  };
  if (await ports.datasets.createFromUpload(dataset)) return dataset;
  return existing(ports, upload);
}

/** One pass over the stored bytes: they are rows of one format, and the very ones that were received. */
async function profiled(
  ports: DatasetFromUploadPorts,
  { r2Key, filename, sizeBytes, sha256 }: UploadRecord,
): Promise<{ profile: DatasetProfile; sha256: string; sizeBytes: number }> {
  const stored = await ports.blobs.read(r2Key, 0, sizeBytes ?? 0);
  if (!stored) throw new Error("a completed upload's bytes are missing");
  const scanner = new DatasetScanner(filename);
  const digest = ports.newDigest();
  for await (const chunk of largeChunks(stored)) {
    digest.update(chunk);
    scanner.push(chunk);
  }
  const found = digest.hex();
  if (found !== sha256) throw new Error("a completed upload's bytes are not those that were received");
  return { profile: scanner.end(), sha256: found, sizeBytes: digest.sizeBytes };
}

async function existing(ports: DatasetFromUploadPorts, upload: UploadRecord): Promise<DatasetRecord> {
  const dataset = await ports.datasets.get(upload.accountId, upload.id);
  if (dataset) return dataset;
  const present = await ports.uploads.get(upload.accountId, upload.id);
  if (!present) throw notFound("upload");
  throw notReady(present);
}

function notReady({ state }: UploadRecord): DomainError {
  const why = state === "open" ? "it must be completed first" : "its bytes are gone";
  return new DomainError("conflict", `the upload is ${state}: ${why}`, { field: "upload_id" });
}
