/**
 * Frames on their way to one agent. The first leaves at once, with those that were given with it; what follows within 10 ms
 * goes in one message, since an object takes messages by their number and not by their size (design/relay.md).
 */
import { COALESCE_BYTES, COALESCE_MS, encodeFrame, type Frame } from "../../protocol";
import { joined } from "../domain/event-stream";
import type { Clock } from "../domain/ports";
import type { Scheduler } from "../domain/scheduler";

export class Outbox {
  readonly #send: (message: Uint8Array) => void;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #sentAtMs = 0;
  #cancel: (() => void) | null = null;

  constructor(send: (message: Uint8Array) => void, clock: Clock, scheduler: Scheduler) {
    this.#send = send;
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  add(frames: readonly Frame[]): void {
    for (const frame of frames) {
      const bytes = encodeFrame(frame);
      this.#waiting.push(bytes);
      this.#bytes += bytes.byteLength;
      if (this.#bytes >= COALESCE_BYTES) this.#flush();
    }
    if (this.#bytes === 0) return;
    if (this.#clock.nowMs() - this.#sentAtMs >= COALESCE_MS) this.#flush();
    else this.#cancel ??= this.#scheduler.after(COALESCE_MS, () => this.#flush());
  }

  #flush(): void {
    this.#cancel?.();
    this.#cancel = null;
    if (this.#waiting.length === 0) return;
    const message = joined(this.#waiting);
    [this.#waiting, this.#bytes] = [[], 0];
    this.#sentAtMs = this.#clock.nowMs();
    this.#send(message);
  }
}
