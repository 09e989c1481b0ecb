/**
 * One upload, in its own object (design/bytes.md): takes the file's bytes in whatever pieces they come, keeps them
 * before it says so, and completes the object in R2. Commands run one at a time; a new one ends the receiving of bytes
 * under way, which may be a connection that is dead and does not know it yet. Bytes that have come before are passed
 * over, so that every piece may be sent again.
 */
import { DomainError, invalid } from "../domain/errors";
import type { BlobStore } from "../domain/ports";
import type { Digest, PartStore, UploadLocal, UploadStore } from "../domain/upload-ports";
import {
  MAX_UPLOAD_BYTES_OF,
  UPLOAD_PART_BYTES,
  type UploadProgress,
  type UploadRange,
  type UploadRecord,
} from "../domain/uploads";
import { BodyReader } from "./body-reader";
import { UploadWriter } from "./upload-writer";

export interface UploadSessionPorts {
  local: UploadLocal;
  uploads: UploadStore;
  parts: PartStore;
  blobs: BlobStore;
  newDigest: () => Digest;
  digestOf: (bytes: ReadableStream<Uint8Array>) => Promise<{ sha256: string; sizeBytes: number }>;
}

export class UploadSession {
  readonly #ports: UploadSessionPorts;
  #last: Promise<unknown> = Promise.resolve();
  /** Bodies that are being received, or wait for their turn. */
  readonly #bodies = new Set<BodyReader>();
  /** Of all bytes so far; lost with the object, and then made again from R2 when the upload is completed. */
  #digest: Digest | null;

  constructor(ports: UploadSessionPorts) {
    this.#ports = ports;
    this.#digest = ports.local.parts().length === 0 && ports.local.tailBytes() === 0 ? ports.newDigest() : null;
  }

  progress(upload: UploadRecord): UploadProgress {
    const { local } = this.#ports;
    const offset = local.parts().length * UPLOAD_PART_BYTES + local.tailBytes();
    return { offset, sizeBytes: upload.sizeBytes ?? local.facts().sizeBytes };
  }

  receive(upload: UploadRecord, range: UploadRange, body: ReadableStream<Uint8Array>): Promise<UploadProgress> {
    const reader = new BodyReader(body);
    const received = this.#next(async () => {
      try {
        this.#checkOpen(upload);
        await this.#take(upload, range, reader);
        return this.progress(upload);
      } catch (error) {
        // Whoever is still sending reads no answer.
        if (error instanceof DomainError) await reader.drain();
        throw error;
      } finally {
        this.#bodies.delete(reader);
      }
    });
    this.#bodies.add(reader);
    return received;
  }

  declare(upload: UploadRecord, total: number): Promise<UploadProgress> {
    return this.#next(() => {
      this.#checkOpen(upload);
      this.#learnSize(upload, total);
      return Promise.resolve(this.progress(upload));
    });
  }

  complete(upload: UploadRecord, sha256: string | null): Promise<UploadRecord> {
    return this.#next(async () => {
      if (this.#isClosed(upload)) return this.#completedBefore(upload, sha256);
      const { offset, sizeBytes } = this.progress(upload);
      if (sizeBytes !== null && offset !== sizeBytes) {
        throw new DomainError(
          "conflict",
          `${String(offset)} of ${String(sizeBytes)} bytes have come; go on from byte ${String(offset)}`,
          { facts: { offset } },
        );
      }
      const expected = sha256 ?? upload.sha256;
      const found = await this.#store(upload, offset);
      if (expected !== null && found !== expected) {
        await this.#close(upload, "aborted");
        throw invalid(
          "sha256",
          `the bytes that came have the SHA-256 ${found}, not ${expected}; they were dropped, upload again`,
        );
      }
      await this.#ports.uploads.complete(upload.id, offset, found);
      this.#ports.local.setFacts({ closed: true });
      this.#ports.local.clear();
      return this.#completedBefore(upload, null);
    });
  }

  abort(upload: UploadRecord): Promise<void> {
    return this.#next(() => this.#close(upload, "aborted"));
  }

  /** Its time is over: nothing of it is kept, unless its bytes are somebody's by now. */
  expire(upload: UploadRecord): Promise<void> {
    return this.#next(() => this.#close(upload, "expired"));
  }

  /** After all that came before; one that is receiving is told to stop. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    for (const body of this.#bodies) body.stop();
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => null);
    return mine;
  }

  async #take(upload: UploadRecord, range: UploadRange, reader: BodyReader): Promise<void> {
    if (range.total !== null) this.#learnSize(upload, range.total);
    const { offset, sizeBytes } = this.progress(upload);
    if (range.start > offset) {
      throw new DomainError("conflict", `the next byte is ${String(offset)}, not ${String(range.start)}`, {
        facts: { offset },
      });
    }
    const maxBytes = sizeBytes ?? MAX_UPLOAD_BYTES_OF[upload.purpose];
    const end = Math.min(maxBytes, range.last === null ? maxBytes : range.last + 1);
    if (range.last !== null && range.last >= maxBytes) throw tooLong(sizeBytes, maxBytes);
    if (this.#digest?.sizeBytes !== offset) this.#digest = null;
    const { parts, local } = this.#ports;
    const coming = range.last === null && sizeBytes === null ? null : Math.max(0, end - offset);
    const writer = new UploadWriter({ key: upload.r2Key, parts, local, digest: this.#digest }, coming);
    try {
      await pump(reader, writer, range.start, offset, end);
    } finally {
      await writer.settle();
    }
    if (reader.stopped) {
      throw new DomainError("conflict", "another request has taken over this upload", {
        facts: { offset: this.progress(upload).offset },
      });
    }
    if (reader.leftOver) throw range.last === null ? tooLong(sizeBytes, maxBytes) : longerThanItsRange();
  }

  #learnSize(upload: UploadRecord, total: number): void {
    const { sizeBytes, offset } = this.progress(upload);
    const maxBytes = MAX_UPLOAD_BYTES_OF[upload.purpose];
    if (total > maxBytes) throw tooLong(null, maxBytes);
    if (sizeBytes === total) return;
    if (sizeBytes !== null) {
      throw invalid("content-range", `says ${String(total)} bytes in all, and this upload has ${String(sizeBytes)}`);
    }
    if (total < offset)
      throw invalid("content-range", `says ${String(total)} bytes in all; ${String(offset)} have come`);
    this.#ports.local.setFacts({ sizeBytes: total });
  }

  /** Makes one object of the parts and the tail; its SHA-256. Safe to repeat. */
  async #store(upload: UploadRecord, sizeBytes: number): Promise<string> {
    const { local, parts, blobs, digestOf } = this.#ports;
    // The whole is what the client has said it to be, whatever becomes of this try.
    local.setFacts({ sizeBytes });
    const { multipartId } = local.facts();
    const tail = joined(local.tail(), local.tailBytes());
    if (multipartId === null) return (await blobs.putBytes(upload.r2Key, tail)).sha256;
    // An earlier try may have got this far: R2 takes no more parts then.
    if (!(await parts.isComplete(upload.r2Key))) {
      const whole = local.parts();
      const number = whole.length + 1;
      const last =
        tail.byteLength > 0 ? [{ number, etag: await parts.put(upload.r2Key, multipartId, number, tail) }] : [];
      await parts.complete(upload.r2Key, multipartId, [...whole, ...last]);
    }
    const digest = this.#digest;
    // A digest ends with its first answer.
    this.#digest = null;
    if (digest?.sizeBytes === sizeBytes) return digest.hex();
    const stored = await blobs.read(upload.r2Key, 0, sizeBytes);
    if (!stored) throw new Error(`the upload ${upload.id} was completed and is not there`);
    return (await digestOf(stored)).sha256;
  }

  async #completedBefore(upload: UploadRecord, sha256: string | null): Promise<UploadRecord> {
    const present = await this.#ports.uploads.load(upload.id);
    if (present?.state === "completed" || present?.state === "used") {
      if (sha256 === null || sha256 === present.sha256) return present;
      throw invalid("sha256", `the upload was completed with the SHA-256 ${String(present.sha256)}`);
    }
    throw closed();
  }

  async #close(upload: UploadRecord, as: "aborted" | "expired"): Promise<void> {
    const { local, uploads, parts, blobs } = this.#ports;
    local.setFacts({ closed: true });
    const ended = await uploads.end(upload.id, as);
    const present = await uploads.load(upload.id);
    if (!ended && present?.state === "used") {
      if (as === "expired") return;
      throw new DomainError("conflict", "the bytes of this upload are a dataset's; it cannot be aborted");
    }
    // D1 has said that nobody may use these bytes any more; a repeat drops what a crash left.
    const { multipartId } = local.facts();
    if (multipartId !== null) await parts.abort(upload.r2Key, multipartId);
    await blobs.delete([upload.r2Key]);
    local.clear();
  }

  #checkOpen(upload: UploadRecord): void {
    if (this.#isClosed(upload)) throw closed();
  }

  /** The record was read before this command's turn came: what has happened since is here. */
  #isClosed(upload: UploadRecord): boolean {
    return upload.state !== "open" || this.#ports.local.facts().closed;
  }
}

/** Passes over what has come before and stops at `end`; what is left of the body then is too much. */
async function pump(
  reader: BodyReader,
  writer: UploadWriter,
  start: number,
  offset: number,
  end: number,
): Promise<void> {
  let at = start;
  for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) {
    const wanted = chunk.subarray(Math.min(chunk.byteLength, Math.max(0, offset - at)), Math.max(0, end - at));
    if (at + chunk.byteLength > end) reader.leftOver = true;
    if (wanted.byteLength > 0) await writer.write(wanted);
    if (reader.leftOver) return;
    at += chunk.byteLength;
  }
}

function joined(pieces: Uint8Array[], sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.byteLength;
  }
  return bytes;
}

function tooLong(sizeBytes: number | null, maxBytes: number): DomainError {
  if (sizeBytes !== null) return invalid("content-range", `the upload has ${String(sizeBytes)} bytes, and more came`);
  return new DomainError("payload_too_large", `an upload may have ${String(maxBytes)} bytes`);
}

function longerThanItsRange(): DomainError {
  return invalid("content-range", "the body has more bytes than it names; those named were taken");
}

function closed(): DomainError {
  return new DomainError("conflict", "this upload takes no more bytes: it was completed, aborted or has expired");
}
