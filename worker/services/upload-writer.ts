/**
 * Cuts what comes in into equal parts. A part streams to R2 while its bytes arrive, and is kept in memory until R2 has
 * it: so a break loses nothing (the bytes become the upload's tail), and a part that R2 did not take is put again.
 */
import { DomainError } from "../domain/errors";
import type { Digest, PartInFlight, PartStore, UploadLocal } from "../domain/upload-ports";
import { UPLOAD_PART_BYTES } from "../domain/uploads";
import { givePartBuffer, takePartBuffer } from "./part-buffers";

/** R2 is asked this often for a part before the client is told to come back. */
const MAX_PUTS = 3;

export interface WriterPorts {
  key: string;
  parts: PartStore;
  local: UploadLocal;
  /** Of all bytes from the first on; null when an earlier part of them went by unseen. */
  digest: Digest | null;
}

export class UploadWriter {
  readonly #ports: WriterPorts;
  readonly #buffer: Uint8Array;
  #filled = 0;
  /** As much of the buffer is in the object's storage. */
  #kept: number;
  #number: number;
  #inFlight: PartInFlight | null = null;
  /** Bytes that this request has said it will still bring. */
  #coming: number;

  /** `coming` is null when the request does not say how many bytes it brings: then parts go to R2 once they are whole. */
  constructor(ports: WriterPorts, coming: number | null) {
    const { local } = ports;
    this.#ports = ports;
    this.#coming = coming ?? 0;
    this.#number = local.parts().length + 1;
    this.#kept = local.tailBytes();
    // A small file takes small room.
    this.#buffer = takePartBuffer(
      coming === null ? UPLOAD_PART_BYTES : Math.min(UPLOAD_PART_BYTES, this.#kept + coming),
    );
    for (const bytes of local.tail()) this.#fill(bytes);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#ports.digest?.update(bytes);
    for (let rest = bytes; rest.byteLength > 0;) {
      await this.#begin();
      const taken = rest.subarray(0, UPLOAD_PART_BYTES - this.#filled);
      const from = this.#filled;
      this.#fill(taken);
      this.#coming -= taken.byteLength;
      await this.#inFlight?.write(this.#buffer.subarray(from, this.#filled));
      if (this.#filled === UPLOAD_PART_BYTES) await this.#finishPart();
      rest = rest.subarray(taken.byteLength);
    }
  }

  /** What is not a whole part yet goes into the object's storage; the last call, however the bytes ended. */
  async settle(): Promise<void> {
    await this.#inFlight?.drop();
    this.#inFlight = null;
    if (this.#filled > this.#kept) this.#ports.local.appendTail(this.#buffer.subarray(this.#kept, this.#filled));
    this.#kept = this.#filled;
    givePartBuffer(this.#buffer);
  }

  #fill(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.byteLength;
  }

  /** A part is streamed when this request will make it whole; R2 wants to know its size before. */
  async #begin(): Promise<void> {
    if (this.#inFlight || this.#filled + this.#coming < UPLOAD_PART_BYTES) return;
    const { parts, key } = this.#ports;
    this.#inFlight = parts.begin(key, await this.#multipartId(), this.#number, UPLOAD_PART_BYTES);
    if (this.#filled > 0) await this.#inFlight.write(this.#buffer.subarray(0, this.#filled));
  }

  async #finishPart(): Promise<void> {
    const { local } = this.#ports;
    const etag = (await this.#inFlight?.finish()) ?? (await this.#putAgain());
    this.#inFlight = null;
    local.addPart(this.#number, etag);
    this.#number += 1;
    this.#filled = 0;
    this.#kept = 0;
  }

  async #putAgain(): Promise<string> {
    const { parts, key } = this.#ports;
    for (let tries = 1; ; tries += 1) {
      try {
        return await parts.put(key, await this.#multipartId(), this.#number, this.#buffer);
      } catch (error) {
        if (tries === MAX_PUTS) {
          throw new DomainError("unavailable", `part ${String(this.#number)} could not be stored: ${reason(error)}`);
        }
      }
    }
  }

  async #multipartId(): Promise<string> {
    const { local, parts, key } = this.#ports;
    const { multipartId } = local.facts();
    if (multipartId !== null) return multipartId;
    const opened = await parts.open(key);
    local.setFacts({ multipartId: opened });
    return opened;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : "no reason was given";
}
