/**
 * The upkeep of a stream, outside of the reports' way: the object's alarm seals what is over the limit, and archives the
 * stream some days after its end. A timer is moved ahead before its work, so that work which fails or dies is tried again.
 */
import type { Archive } from "./archive";
import type { EventLog } from "./event-log";
import type { Sealer } from "./sealer";
import type { Timers } from "./timers";

/** How much of the stream stays in the object. */
export const MAX_UNSEALED_BYTES = 64 * 1024 * 1024;
/** Segments a ring of the alarm: more wait for the next, so that other timers are not late. */
const SEGMENTS_A_RUN = 4;
const RETRY_MS = 60_000;
export const ARCHIVE_AFTER_MS = 7 * 24 * 3600_000;
/** How long an object that came back stays. */
export const BACK_FOR_MS = 24 * 3600_000;

const SEAL = "seal";
const ARCHIVE = "archive";

export function isUpkeep(timer: string): boolean {
  return timer === SEAL || timer === ARCHIVE;
}

/** An object that has come back leaves again. Call it in the transaction that brings it back. */
export function leaveAgain(timers: Timers, nowMs: number): void {
  timers.arm(ARCHIVE, nowMs + BACK_FOR_MS);
}

export interface KeeperParts {
  log: EventLog;
  timers: Timers;
  sealer: Sealer;
  archive: Archive;
  nowMs: () => number;
  maxUnsealedBytes: number;
}

export class StreamKeeper {
  readonly #parts: KeeperParts;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Call it in the transaction of an append. */
  appended(): void {
    const { timers, nowMs } = this.#parts;
    if (this.#hasTooMuch() && !timers.has(SEAL)) timers.arm(SEAL, nowMs());
  }

  /** Call it in the transaction of the end item. */
  ended(): void {
    this.#parts.timers.arm(ARCHIVE, this.#parts.nowMs() + ARCHIVE_AFTER_MS);
  }

  async onAlarm(): Promise<void> {
    const { timers, nowMs } = this.#parts;
    for (const { name } of timers.due(nowMs())) {
      if (!isUpkeep(name)) continue;
      timers.set(name, nowMs() + RETRY_MS);
      if (name === SEAL) await this.#seal();
      else await this.#parts.archive.leave();
    }
  }

  async #seal(): Promise<void> {
    const { sealer, timers, nowMs } = this.#parts;
    for (let done = 0; done < SEGMENTS_A_RUN && this.#hasTooMuch(); done++) await sealer.sealOldest();
    if (this.#hasTooMuch()) timers.set(SEAL, nowMs());
    else timers.clear(SEAL);
  }

  #hasTooMuch(): boolean {
    return this.#parts.log.unsealedBytes() > this.#parts.maxUnsealedBytes;
  }
}
