/**
 * The one place that decides whether and when a call is made again. 429, 5xx and network errors are retried with a
 * capped, jittered backoff that honours Retry-After; any other error is an answer and is thrown at once.
 */
import type { Clock } from "./clock";
import { ApiError, isTransient } from "./api-error";

export interface RetryPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  /** Measured from the first failure; Infinity goes on until the signal aborts. */
  readonly giveUpAfterMs: number;
}

/** For what must arrive while the lease lives. The cap is half a heartbeat, so that an outage's end is soon noticed. */
export const UNTIL_ANSWERED: RetryPolicy = { baseMs: 250, maxMs: 5_000, giveUpAfterMs: Infinity };

/**
 * For bytes: longer than the agent keeps a trainer alive without hearing from the worker (ten minutes after its lease's
 * end), so that no outage that a task survives costs it a checkpoint.
 */
export const TRANSFER: RetryPolicy = { baseMs: 500, maxMs: 30_000, giveUpAfterMs: 900_000 };

/** Longer waits than this asked for by Retry-After are taken as this: nothing in the protocol needs more. */
const MAX_RETRY_AFTER_MS = 60_000;

export class Aborted extends Error {
  constructor() {
    super("aborted");
    this.name = "Aborted";
  }
}

export interface Retrier {
  run<T>(operation: () => Promise<T>, policy: RetryPolicy, signal?: AbortSignal): Promise<T>;
}

export function createRetrier(clock: Clock, random: () => number): Retrier {
  return {
    async run(operation, policy, signal) {
      let failedSinceMs: number | null = null;
      for (let failures = 0; ; failures += 1) {
        if (signal?.aborted) throw new Aborted();
        try {
          return await operation();
        } catch (error) {
          if (signal?.aborted) throw new Aborted();
          failedSinceMs ??= clock.now();
          const spentMs = clock.now() - failedSinceMs;
          if (!isTransient(error) || spentMs >= policy.giveUpAfterMs) throw error;
          await clock.sleep(delayMs(error, failures, policy, random), signal);
        }
      }
    },
  };
}

function delayMs(error: unknown, failures: number, policy: RetryPolicy, random: () => number): number {
  const ceilingMs = Math.min(policy.maxMs, policy.baseMs * 2 ** Math.min(failures, 30));
  const jitteredMs = ceilingMs * (0.5 + random() / 2);
  const askedMs = error instanceof ApiError ? Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS) : 0;
  return Math.max(jitteredMs, askedMs);
}
