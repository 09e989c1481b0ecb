/**
 * Beats while a lease is held. Each has a connection that nothing else uses and never waits behind the spool. A beat
 * that fails changes nothing by itself: only an answer, or ten minutes of silence after the lease's end, does.
 */
import type { Lease } from "../../protocol";
import type { AgentApi } from "./api-client";
import { isLeaseGone } from "./api-error";
import type { Clock } from "./clock";
import { describeError, type Log } from "./log";
import type { TaskControl } from "./task-control";
import { Waker } from "./waker";

/** A beat that hangs is given up after one interval, but not sooner than a slow link needs. */
const MIN_TIMEOUT_MS = 5_000;

export interface HeartbeatDeps {
  readonly api: AgentApi;
  readonly clock: Clock;
  readonly log: Log;
  readonly control: TaskControl;
  /** The last step that the trainer told. */
  readonly step: () => number | null;
}

export class Heartbeat {
  private readonly stopped = new AbortController();
  private readonly hurry = new Waker();
  private done: Promise<void> = Promise.resolve();

  constructor(
    private readonly lease: Pick<Lease, "lease_id" | "heartbeat_ms">,
    private readonly deps: HeartbeatDeps,
  ) {}

  start(): void {
    this.done = this.run();
  }

  /** Beats now: the socket has hinted that the answer is of interest. */
  beatNow(): void {
    this.hurry.wake();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.done;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted && !this.deps.control.lost.aborted) {
      await this.deps.clock.sleep(
        this.lease.heartbeat_ms,
        AbortSignal.any([signal, this.hurry.signal, this.deps.control.lost]),
      );
      if (!signal.aborted && !this.deps.control.lost.aborted) await this.beat(signal);
    }
  }

  private async beat(signal: AbortSignal): Promise<void> {
    const { api, control, log } = this.deps;
    const json = JSON.stringify({ lane: "heartbeat", step: this.deps.step() });
    const timeoutMs = Math.max(this.lease.heartbeat_ms, MIN_TIMEOUT_MS);
    try {
      control.answered(await api.heartbeat(this.lease.lease_id, json, timeoutMs, signal));
    } catch (error) {
      if (signal.aborted) return;
      log.warn(`${this.lease.lease_id}: heartbeat failed: ${describeError(error)}`);
      if (isLeaseGone(error)) control.raise("lost");
      else control.loseIfSilent();
    }
  }
}
