/** How much of a job's output is let through: a token bucket and a total. What is over is counted, not kept. */
import type { Lease } from "../../protocol";
import type { Clock } from "./clock";

/** A stack trace or a start-up banner passes whole; the bucket's rate is for what goes on. */
const BURST_SECONDS = 4;

/** A notice a line would be a flood of its own. */
const NOTICE_EVERY_MS = 10_000;

export class LogQuota {
  private tokens: number;
  private refilledAtMs: number;
  private noticedAtMs = -Infinity;
  private remaining: number;
  private dropped = { lines: 0, bytes: 0 };

  constructor(
    private readonly limits: Pick<Lease["limits"], "log_bytes" | "log_bytes_per_second">,
    private readonly clock: Clock,
  ) {
    this.tokens = limits.log_bytes_per_second * BURST_SECONDS;
    this.refilledAtMs = clock.now();
    this.remaining = limits.log_bytes;
  }

  /** Whether a line of this size may pass; if not it is counted. */
  admits(bytes: number): boolean {
    const rate = this.limits.log_bytes_per_second;
    const nowMs = this.clock.now();
    this.tokens = Math.min(rate * BURST_SECONDS, this.tokens + (Math.max(0, nowMs - this.refilledAtMs) / 1000) * rate);
    this.refilledAtMs = nowMs;
    if (bytes > this.tokens || bytes > this.remaining) {
      this.leaveOut(bytes);
      return false;
    }
    this.tokens -= bytes;
    this.remaining -= bytes;
    return true;
  }

  /** Counts a line that is not let through. */
  leaveOut(bytes: number): void {
    this.dropped = { lines: this.dropped.lines + 1, bytes: this.dropped.bytes + bytes };
  }

  /** What to tell of lines dropped since the last notice; null when there is nothing or it is too soon. */
  takeNotice(isLast: boolean): string | null {
    const nowMs = this.clock.now();
    if (this.dropped.lines === 0 || (!isLast && nowMs - this.noticedAtMs < NOTICE_EVERY_MS)) return null;
    const { lines, bytes } = this.dropped;
    this.dropped = { lines: 0, bytes: 0 };
    this.noticedAtMs = nowMs;
    const { log_bytes: total, log_bytes_per_second: rate } = this.limits;
    return `${lines} log lines (${bytes} bytes) were left out: the limits are ${rate} bytes a second and ${total} in this attempt`;
  }
}
