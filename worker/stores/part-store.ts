/** Multipart uploads of upload sessions in R2. A part streams in by a pipe of known length, as R2 wants it. */
import type { PartInFlight, PartStore } from "../domain/upload-ports";
import { loggable } from "../domain/errors";

export class R2PartStore implements PartStore {
  readonly #bucket: R2Bucket;

  constructor(bucket: R2Bucket) {
    this.#bucket = bucket;
  }

  async open(key: string): Promise<string> {
    return (await this.#bucket.createMultipartUpload(key)).uploadId;
  }

  begin(key: string, multipartId: string, number: number, sizeBytes: number): PartInFlight {
    const pipe = new FixedLengthStream(sizeBytes);
    const stored = this.#bucket.resumeMultipartUpload(key, multipartId).uploadPart(number, pipe.readable);
    return new StreamedPart(pipe.writable.getWriter(), stored);
  }

  async put(key: string, multipartId: string, number: number, bytes: Uint8Array): Promise<string> {
    return (await this.#bucket.resumeMultipartUpload(key, multipartId).uploadPart(number, bytes)).etag;
  }

  async isComplete(key: string): Promise<boolean> {
    return (await this.#bucket.head(key)) !== null;
  }

  async complete(key: string, multipartId: string, parts: { number: number; etag: string }[]): Promise<void> {
    const uploaded = parts.map(({ number, etag }) => ({ partNumber: number, etag }));
    await this.#bucket.resumeMultipartUpload(key, multipartId).complete(uploaded);
  }

  async abort(key: string, multipartId: string): Promise<void> {
    try {
      await this.#bucket.resumeMultipartUpload(key, multipartId).abort();
    } catch (error) {
      // One that was completed is none any more; R2 itself drops all others after 7 days.
      console.error("a multipart upload was not aborted", key, loggable(error));
    }
  }
}

class StreamedPart implements PartInFlight {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** The etag, or null once R2 has refused the part or the pipe broke. */
  readonly #etag: Promise<string | null>;
  #failed = false;

  constructor(writer: WritableStreamDefaultWriter<Uint8Array>, stored: Promise<R2UploadedPart>) {
    this.#writer = writer;
    // Each write tells the same.
    writer.closed.catch(() => null);
    this.#etag = stored.then(
      ({ etag }) => etag,
      () => {
        this.#failed = true;
        return null;
      },
    );
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failed) return;
    // A pipe whose reader is gone may take no more bytes and say nothing.
    await Promise.race([this.#quietly(this.#writer.write(bytes)), this.#etag]);
  }

  async finish(): Promise<string | null> {
    await Promise.race([this.#quietly(this.#writer.close()), this.#etag]);
    return this.#failed ? null : this.#etag;
  }

  async drop(): Promise<void> {
    await this.#quietly(this.#writer.abort(new Error("the rest of this part did not come")));
    await this.#etag;
  }

  async #quietly(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch {
      this.#failed = true;
    }
  }
}
