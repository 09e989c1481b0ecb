/** Streams a dataset to R2 as it came and profiles it on the way; a bad line or a broken upload leaves nothing. */
import type { Principal } from "../domain/accounts";
import { SIGNED_URL_TTL_MS, type DatasetRecord } from "../domain/artifacts";
import { DatasetScanner } from "../domain/dataset-scan";
import { checkedName, DomainError, invalid, notFound } from "../domain/errors";
import { fileStem } from "../domain/file-kind";
import type { BlobStore, Clock, DatasetStore, Ids, Page, PageRequest, UrlSigner } from "../domain/ports";

export interface DatasetPorts {
  datasets: DatasetStore;
  blobs: BlobStore;
  ids: Ids;
  clock: Clock;
}

export interface NewDataset {
  /** As the file is called, without its ending, by default. */
  name: string | undefined;
  chunks: AsyncIterable<Uint8Array>;
  maxBytes: number;
  fileName?: string | undefined;
}

export async function uploadDataset(
  ports: DatasetPorts,
  principal: Principal,
  upload: NewDataset,
): Promise<DatasetRecord> {
  const id = ports.ids.next();
  const r2Key = `datasets/${principal.accountId}/${id}`;
  const fileName = upload.fileName ?? null;
  const scanner = new DatasetScanner(fileName);
  const stored = await ports.blobs.putStream(r2Key, scanned(upload.chunks, scanner, upload.maxBytes));
  const dataset: DatasetRecord = {
    id,
    accountId: principal.accountId,
    projectId: principal.projectId,
    // A form may send its fields after its file, so the name is not looked at before.
    name: await nameOrDelete(ports, upload, r2Key),
    sourceType: "upload",
    ...scanner.end(),
    sizeBytes: stored.sizeBytes,
    sha256: stored.sha256,
    r2Key,
    fileName,
    createdAtMs: ports.clock.nowMs(),
  };
  await ports.datasets.create(dataset);
  return dataset;
}

async function nameOrDelete(
  ports: DatasetPorts,
  upload: Pick<NewDataset, "name" | "fileName">,
  r2Key: string,
): Promise<string> {
  try {
    const { name = upload.fileName === undefined ? undefined : fileStem(upload.fileName) } = upload;
    if (name === undefined) throw invalid("name", "is required where the file has no name");
    return checkedName(name);
  } catch (error) {
    await ports.blobs.delete([r2Key]);
    throw error;
  }
}

/** The chunks as they are, after the scanner has seen them; what the scanner throws ends the upload before it counts. */
async function* scanned(
  chunks: AsyncIterable<Uint8Array>,
  scanner: DatasetScanner,
  maxBytes: number,
): AsyncIterable<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) {
      throw new DomainError("payload_too_large", `the file is larger than ${String(maxBytes)} bytes`, {
        field: "file",
      });
    }
    scanner.push(chunk);
    yield chunk;
  }
  scanner.end();
}

export async function getDataset(ports: DatasetPorts, principal: Principal, id: string | null): Promise<DatasetRecord> {
  const dataset = id === null ? null : await ports.datasets.get(principal.accountId, id);
  if (!dataset) throw notFound("dataset");
  return dataset;
}

export async function listDatasets(
  ports: DatasetPorts,
  principal: Principal,
  page: PageRequest,
  filter: { projectId?: string } = {},
): Promise<Page<DatasetRecord>> {
  return ports.datasets.list(principal.accountId, page, filter);
}

export async function datasetDownload(
  ports: { urls: UrlSigner; clock: Clock },
  dataset: DatasetRecord,
  origin: string,
): Promise<{ url: string; expiresAtMs: number }> {
  const { r2Key: key, sizeBytes, sha256, accountId, name, profile } = dataset;
  const filename = `${name}.${profile?.fileKind ?? "jsonl"}`;
  const url = await ports.urls.download({ key, sizeBytes, sha256, accountId, filename }, origin);
  return { url, expiresAtMs: ports.clock.nowMs() + SIGNED_URL_TTL_MS };
}
