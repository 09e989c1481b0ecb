/**
 * Uploads of checkpoint files (design/bytes.md): opened and completed by the worker alone, each at a key that is never
 * used twice, and proven before anything refers to them.
 */
import { createHash } from "node:crypto";
import { READ_BACK_MAX_BYTES } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import type { MultipartStore } from "../domain/ports";
import { digestStream, RunningDigest } from "./digests";
import { largeChunks } from "../domain/large-chunks";

type Part = Parameters<MultipartStore["complete"]>[2][number];

export class R2MultipartStore implements MultipartStore {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async open(key: string): Promise<string> {
    return (await this.#bucket.createMultipartUpload(key)).uploadId;
  }

  async putPart(
    key: string,
    uploadId: string,
    number: number,
    body: ReadableStream<Uint8Array>,
    size: number,
    md5Base64: string,
  ): Promise<{ etag: string }> {
    const digest = new RunningDigest("md5");
    const fixed = new FixedLengthStream(size);
    const piped = pipeHashed(body, digest, fixed.writable);
    const [part, sent] = await Promise.allSettled([
      this.#bucket.resumeMultipartUpload(key, uploadId).uploadPart(number, fixed.readable),
      piped,
    ]);
    if (sent.status === "rejected" || digest.sizeBytes !== size) {
      throw new DomainError("invalid_request", `part ${String(number)} must have ${String(size)} bytes`, {
        field: "content-length",
      });
    }
    if (part.status === "rejected") throw part.reason;
    if (Buffer.from(digest.hex(), "hex").toString("base64") !== md5Base64) {
      throw new DomainError(
        "invalid_request",
        `part ${String(number)} does not have the MD5 of Content-MD5; send it again`,
        {
          field: "content-md5",
        },
      );
    }
    return { etag: part.value.etag };
  }

  async complete(key: string, uploadId: string, parts: Part[], size: number, sha256: string): Promise<void> {
    const object = await this.#completeOnce(key, uploadId, parts);
    if (object.size !== size) throw mismatch(key, `${String(object.size)} bytes instead of ${String(size)}`);
    const proven = object.etag === compositeEtag(parts);
    // A large file that the etag proves is read by a message after the commit.
    if (proven && size > READ_BACK_MAX_BYTES) return;
    // The local simulator's etags prove nothing, so there the bytes are read whatever their size.
    const stored = await this.#bucket.get(key);
    if (!stored) throw mismatch(key, "nothing");
    const read = await digestStream(stored.body as ReadableStream<Uint8Array>);
    if (read.sha256 !== sha256) throw mismatch(key, "other bytes than were hashed");
  }

  /** An upload that an earlier try completed is found by its object. */
  async #completeOnce(key: string, uploadId: string, parts: Part[]): Promise<R2Object> {
    const existing = await this.#bucket.head(key);
    if (existing) return existing;
    const uploaded = parts.map((part) => ({ partNumber: part.number, etag: part.etag }));
    try {
      return await this.#bucket.resumeMultipartUpload(key, uploadId).complete(uploaded);
    } catch (error) {
      const why = error instanceof Error ? error.message : "R2 refused it";
      throw new DomainError("conflict", `an upload could not be completed, begin again: ${why}`);
    }
  }
}

/** All of `body` into `into`, seen by `digest` on its way. */
async function pipeHashed(
  body: ReadableStream<Uint8Array>,
  digest: RunningDigest,
  into: WritableStream<Uint8Array>,
): Promise<void> {
  const writer = into.getWriter();
  // Each write tells the same.
  writer.closed.catch(() => null);
  try {
    for await (const chunk of largeChunks(body)) {
      digest.update(chunk);
      await writer.write(chunk);
    }
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => null);
    throw error;
  }
}

/** R2's etag of a multipart object: the MD5 of its parts' MD5s, and their number. */
function compositeEtag(parts: Part[]): string {
  const hash = createHash("md5");
  for (const part of parts) hash.update(Buffer.from(part.md5, "hex"));
  return `${hash.digest("hex")}-${String(parts.length)}`;
}

function mismatch(key: string, found: string): DomainError {
  return new DomainError("conflict", `the upload of ${key.split("/").at(-1) ?? key} holds ${found}; upload it again`);
}
