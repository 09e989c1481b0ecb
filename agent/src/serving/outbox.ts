/**
 * Frames that go out on an engine's socket, many to a message: what comes within 10 ms or makes 64 KiB goes together,
 * whatever the number of streams. Some messages may leave at once, so that a quiet socket delays nothing.
 */
import { COALESCE_BYTES, COALESCE_MS, encodeFrame, type Frame } from "../../../protocol";
import type { Clock } from "../clock";

/** Messages that need not wait: those of a few short requests. One more is earned every COALESCE_MS. */
const BURST = 16;

export class Outbox {
  private gathered: Uint8Array[] = [];
  private bytes = 0;
  private allowed = BURST;
  private countedAtMs: number;
  private isWaiting = false;
  private readonly closed = new AbortController();

  constructor(
    private readonly clock: Clock,
    private readonly send: (message: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.countedAtMs = clock.now();
  }

  push(frame: Frame): void {
    if (this.closed.signal.aborted) return;
    const bytes = encodeFrame(frame);
    if (this.bytes + bytes.byteLength > COALESCE_BYTES) this.flush();
    this.gathered.push(bytes);
    this.bytes += bytes.byteLength;
    if (this.bytes >= COALESCE_BYTES) this.flush();
    else if (!this.isWaiting) this.schedule();
  }

  /** Sends what is gathered, now. */
  flush(): void {
    if (this.gathered.length === 0 || this.closed.signal.aborted) return;
    const message = new Uint8Array(this.bytes);
    let at = 0;
    for (const bytes of this.gathered) {
      message.set(bytes, at);
      at += bytes.byteLength;
    }
    this.gathered = [];
    this.bytes = 0;
    this.send(message);
  }

  close(): void {
    this.closed.abort();
    this.gathered = [];
  }

  private schedule(): void {
    const nowMs = this.clock.now();
    this.allowed = Math.min(BURST, this.allowed + (nowMs - this.countedAtMs) / COALESCE_MS);
    this.countedAtMs = nowMs;
    if (this.allowed >= 1) {
      this.allowed -= 1;
      this.flush();
      return;
    }
    this.isWaiting = true;
    void this.clock.sleep(COALESCE_MS, this.closed.signal).then(() => {
      this.isWaiting = false;
      this.flush();
    });
  }
}
