// `Content-Range` of a request that sends a piece of a file: `bytes a-b/total`, where b and total may be `*`; and
// `bytes */total`, which has no bytes and asks for the status.
import { invalid } from "./errors";
import type { UploadRange } from "./uploads";

const FORMAT = /^bytes (?:(\d{1,15})-(?:(\d{1,15})|\*)|\*)\/(?:(\d{1,15})|\*)$/;

/**
 * `range` is null where no bytes are sent. Without the header the body is the file from its first byte on, and
 * `contentLength` its size. Throws `invalid_request` naming `content-range`.
 */
export function parseContentRange(
  header: string | null,
  contentLength: number | null,
): { range: UploadRange | null; total: number | null } {
  if (header === null) return { range: { start: 0, last: null, total: contentLength }, total: contentLength };
  const match = FORMAT.exec(header.trim());
  if (!match) throw malformed();
  const [, first, end, whole] = match;
  const total = whole === undefined ? null : Number(whole);
  if (first === undefined) return { range: null, total };
  const start = Number(first);
  const last = end === undefined ? null : Number(end);
  if (last !== null && (last < start || (total !== null && last >= total))) throw malformed();
  if (last !== null && contentLength !== null && contentLength !== last - start + 1) {
    throw invalid(
      "content-range",
      `names ${String(last - start + 1)} bytes, and the body has ${String(contentLength)}; nothing was taken`,
    );
  }
  return { range: { start, last, total }, total };
}

function malformed() {
  return invalid("content-range", "must look like 'bytes 0-1048575/2097152', or with * for a size that is not known");
}
