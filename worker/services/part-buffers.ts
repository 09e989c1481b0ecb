/**
 * The memory in which a part waits. One that is given back serves the next request: new ones of 16 MiB would pile up until
 * the collector sees to them, and all uploads of an isolate share its memory.
 */
import { UPLOAD_PART_BYTES } from "../domain/uploads";

let spare: Uint8Array | null = null;

/** Its bytes are whatever an earlier user has left. A smaller one is its user's alone. */
export function takePartBuffer(sizeBytes: number): Uint8Array {
  if (sizeBytes < UPLOAD_PART_BYTES) return new Uint8Array(sizeBytes);
  const taken = spare ?? new Uint8Array(UPLOAD_PART_BYTES);
  spare = null;
  return taken;
}

/** Only when nobody reads it any more. */
export function givePartBuffer(buffer: Uint8Array): void {
  if (buffer.byteLength === UPLOAD_PART_BYTES) spare = buffer;
}
