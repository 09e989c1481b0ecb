/** GET on a signed URL: the whole file or a range of it, streamed; one file of an archive by arithmetic. */
import { parseRange } from "../domain/byte-range";
import { DomainError } from "../domain/errors";
import type { BlobStore, SignedDownload, UrlSigner } from "../domain/ports";
import { gzipSlice, withoutBlockHeaders } from "../domain/stored-archive";

export async function downloadBlob(
  ports: { urls: UrlSigner; blobs: BlobStore },
  token: string,
  rangeHeader: string | null,
): Promise<Response> {
  const blob = await ports.urls.verifyDownload(token);
  const sizeBytes = blob.member?.sizeBytes ?? blob.sizeBytes;
  const range = parseRange(rangeHeader, sizeBytes);
  const { offset, length } = range ?? { offset: 0, length: sizeBytes };
  const body = length === 0 ? null : await open(ports.blobs, blob, offset, length);
  const headers = new Headers({
    "content-type": "application/octet-stream",
    "content-length": String(length),
    "content-disposition": `attachment; filename="${blob.filename.replace(/[^\w.-]/g, "_")}"`,
    "accept-ranges": "bytes",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-store",
  });
  if (range)
    headers.set("content-range", `bytes ${String(offset)}-${String(offset + length - 1)}/${String(sizeBytes)}`);
  return new Response(body, { status: range ? 206 : 200, headers });
}

async function open(
  blobs: BlobStore,
  { key, member }: SignedDownload,
  offset: number,
  length: number,
): Promise<ReadableStream<Uint8Array>> {
  const tarOffset = (member?.tarOffset ?? 0) + offset;
  const slice = member ? gzipSlice(tarOffset, length) : { offset, length };
  const stored = await blobs.read(key, slice.offset, slice.length);
  if (!stored) throw new DomainError("not_found", "this file is no longer stored");
  // A known length keeps Content-Length on the answer.
  const plain = member ? stored.pipeThrough(withoutBlockHeaders(tarOffset)) : stored;
  return plain.pipeThrough(new FixedLengthStream(length));
}
