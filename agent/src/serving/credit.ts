/** What a stream may still send (protocol/frames.ts): its sender waits here when the other side takes no more. */
import { NO_CREDIT_MS, STREAM_CREDIT_BYTES } from "../../../protocol";
import type { Clock } from "../clock";
import { Waker } from "../waker";
import { StreamEnd } from "./stream-end";

export class Credit {
  private bytes = STREAM_CREDIT_BYTES;
  private readonly granted = new Waker();

  constructor(private readonly clock: Clock) {}

  grant(bytes: number): void {
    this.bytes += bytes;
    this.granted.wake();
  }

  /** So many bytes, or fewer, but one at least. Throws the signal's reason, or when no credit has come for too long. */
  async take(wanted: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      if (this.bytes > 0) {
        const taken = Math.min(wanted, this.bytes);
        this.bytes -= taken;
        return taken;
      }
      const { signal: news } = this.granted;
      await this.clock.sleep(NO_CREDIT_MS, AbortSignal.any([news, signal]));
      if (!news.aborted && !signal.aborted) {
        throw new StreamEnd("no_credit", `the client took nothing for ${NO_CREDIT_MS / 1000} s`);
      }
    }
  }
}
