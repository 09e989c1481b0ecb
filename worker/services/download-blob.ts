/** GET on a signed URL: the whole file or a range of it, streamed; one file of an archive by arithmetic. */
import { parseRange } from "../domain/byte-range";
import { DomainError } from "../domain/errors";
import type { BlobStore, SignedDownload, UrlSigner } from "../domain/ports";
import { gzipSlice, withoutBlockHeaders } from "../domain/stored-archive";

/** The headers as they came, null when absent. */
export interface DownloadRequest {
  head: boolean;
  range: string | null;
  ifRange: string | null;
  ifNoneMatch: string | null;
}

export async function downloadBlob(
  ports: { urls: UrlSigner; blobs: BlobStore },
  token: string,
  request: DownloadRequest,
): Promise<Response> {
  return blobResponse(ports.blobs, await ports.urls.verifyDownload(token), request);
}

export async function blobResponse(
  blobs: BlobStore,
  blob: SignedDownload,
  request: DownloadRequest,
): Promise<Response> {
  const sizeBytes = blob.member?.sizeBytes ?? blob.sizeBytes;
  const etag = etagOf(blob);
  const headers = new Headers({
    etag,
    "accept-ranges": "bytes",
    "cache-control": "private, no-store",
    "x-content-type-options": "nosniff",
  });
  if (names(request.ifNoneMatch, etag)) return new Response(null, { status: 304, headers });
  const range = parseRange(rangeThatCounts(request, etag), sizeBytes);
  const { offset, length } = range ?? { offset: 0, length: sizeBytes };
  headers.set("content-type", "application/octet-stream");
  headers.set("content-length", String(length));
  headers.set("content-disposition", attachment(blob.filename));
  if (range) {
    headers.set("content-range", `bytes ${String(offset)}-${String(offset + length - 1)}/${String(sizeBytes)}`);
  }
  const body = request.head || length === 0 ? null : await open(blobs, blob, offset, length);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** Strong: an object in storage is never written twice. */
function etagOf({ sha256, member }: SignedDownload): string {
  return member ? `"${sha256}-${String(member.tarOffset)}"` : `"${sha256}"`;
}

/** A range that was meant for other bytes (`If-Range`; dates are never known here) is answered with the whole. */
function rangeThatCounts({ range, ifRange }: DownloadRequest, etag: string): string | null {
  return ifRange === null || ifRange === etag ? range : null;
}

function names(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  return ifNoneMatch.trim() === "*" || ifNoneMatch.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag);
}

/** A plain name for every client, and the true one for those that know RFC 6266. */
function attachment(filename: string): string {
  const plain = `attachment; filename="${filename.replace(/[^\w.-]/g, "_")}"`;
  const encoded = encodeURIComponent(filename.toWellFormed()).replace(/['()*]/g, percent);
  return encoded === filename ? plain : `${plain}; filename*=UTF-8''${encoded}`;
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
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
