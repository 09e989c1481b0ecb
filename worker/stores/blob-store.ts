/** Bytes in R2. Large ones are streamed through parts of one size; a source that throws leaves nothing behind. */
import type { BlobStore, StoredBlob } from "../domain/ports";
import { RunningDigest, sha256Hex } from "./digests";

/** R2 wants equal parts of at least 5 MiB; this is what an upload holds in memory. */
const PART_BYTES = 8 * 1024 * 1024;

export class R2BlobStore implements BlobStore {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async putStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<StoredBlob> {
    const digest = new RunningDigest("sha256");
    const buffer = new Uint8Array(PART_BYTES);
    let filled = 0;
    let upload: R2MultipartUpload | null = null;
    const parts: R2UploadedPart[] = [];
    try {
      for await (const chunk of chunks) {
        digest.update(chunk);
        let rest = chunk;
        while (rest.byteLength > 0) {
          const taken = rest.subarray(0, PART_BYTES - filled);
          buffer.set(taken, filled);
          filled += taken.byteLength;
          rest = rest.subarray(taken.byteLength);
          if (filled < PART_BYTES) continue;
          upload ??= await this.#bucket.createMultipartUpload(key);
          parts.push(await upload.uploadPart(parts.length + 1, buffer));
          filled = 0;
        }
      }
      if (!upload) await this.#bucket.put(key, buffer.subarray(0, filled));
      else {
        if (filled > 0) parts.push(await upload.uploadPart(parts.length + 1, buffer.subarray(0, filled)));
        await upload.complete(parts);
      }
    } catch (error) {
      // The first error is the one to tell; parts that cannot be dropped now are dropped by R2 after 7 days.
      await upload?.abort().catch((abortError: unknown) => console.error("an upload was left behind", key, abortError));
      throw error;
    }
    return { sizeBytes: digest.sizeBytes, sha256: digest.hex() };
  }

  async putBytes(key: string, bytes: Uint8Array): Promise<StoredBlob> {
    await this.#bucket.put(key, bytes);
    return { sizeBytes: bytes.byteLength, sha256: await sha256Hex(bytes) };
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean> {
    const stored = await this.#bucket.put(key, bytes, { onlyIf: { etagDoesNotMatch: "*" } });
    return (stored as R2Object | null) !== null;
  }

  async getBytes(key: string, maxBytes: number): Promise<Uint8Array | null> {
    const object = await this.#bucket.get(key);
    if (!object) return null;
    if (object.size > maxBytes) throw new Error(`object ${key} has ${String(object.size)} bytes, more than expected`);
    return new Uint8Array(await object.arrayBuffer());
  }

  async read(key: string, offset: number, length: number): Promise<ReadableStream<Uint8Array> | null> {
    const object = await this.#bucket.get(key, length === 0 ? {} : { range: { offset, length } });
    return (object?.body as ReadableStream<Uint8Array> | undefined) ?? null;
  }

  async deletePrefix(prefix: string): Promise<void> {
    while (!(await this.deleteSome(prefix))) continue;
  }

  async deleteSome(prefix: string): Promise<boolean> {
    const { objects, truncated } = await this.#bucket.list({ prefix });
    if (objects.length > 0) await this.#bucket.delete(objects.map(({ key }) => key));
    return !truncated;
  }

  async delete(keys: string[]): Promise<void> {
    // R2 deletes at most 1,000 keys a call.
    for (let at = 0; at < keys.length; at += 1000) await this.#bucket.delete(keys.slice(at, at + 1000));
  }
}
