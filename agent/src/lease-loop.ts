/**
 * Keeps the agent's slots busy: claims when woken, polls when it has not been, starts a task run for each lease. While
 * the socket is down the claim itself waits at the worker. Loss accepted: a long poll is cut when the agent drains, and
 * a lease granted in that instant waits for its expiry.
 */
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { Lease, SlotInfo, SocketMessage } from "../../protocol";
import type { AgentApi } from "./api-client";
import { isStaleLease } from "./api-error";
import type { Clock } from "./clock";
import { describeError, type Log } from "./log";
import { Aborted, UNTIL_ANSWERED, type Retrier } from "./retry";
import { SlotTable } from "./slot-table";
import type { TaskOutcome, TaskRun } from "./task-run";
import { Waker } from "./waker";

/** The protocol's longest wait. */
const LONG_POLL_MS = 20_000;
/** With the socket up a wake-up can still be missed; this is how late that makes a job. */
const FALLBACK_POLL_MS = 15_000;
/** Between long polls, so that a worker that answers them at once is not asked without pause. */
const POLL_PAUSE_MS = 500;
/** The socket opens in much less; a long poll begun before it would hide the first wake-ups. */
const SOCKET_HEAD_START_MS = 2_000;
/** A machine that cannot run a task must not take the next one at once, and the next. */
const SETUP_PAUSE_BASE_MS = 30_000;
const SETUP_PAUSE_MAX_MS = 600_000;

export interface LeaseLoopDeps {
  readonly api: AgentApi;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly log: Log;
  readonly slots: readonly SlotInfo[];
  readonly isSocketUp: () => boolean;
  readonly renewIfAgeing: () => Promise<void>;
  /** There is nothing to do for these slots now. */
  readonly onIdle: (free: readonly SlotInfo[]) => void;
  readonly startTask: (lease: Lease, slot: SlotInfo) => TaskRun;
  /** End after the first task. */
  readonly once: boolean;
}

export class LeaseLoop {
  private readonly runs = new Map<TaskRun, Promise<void>>();
  private readonly slots: SlotTable;
  private readonly wakes: string[] = [];
  private readonly changed = new Waker();
  private readonly stopping = new AbortController();
  private readonly outcomes: TaskOutcome[] = [];
  private setupFailures = 0;
  private pausedUntilMs = 0;

  constructor(private readonly deps: LeaseLoopDeps) {
    setMaxListeners(0, this.stopping.signal);
    this.slots = new SlotTable(deps.slots);
  }

  /** Runs until drained (or one task is done, with `once`); the outcomes of all tasks. Throws when it cannot go on. */
  async run(): Promise<readonly TaskOutcome[]> {
    try {
      if (!this.deps.isSocketUp()) await this.rest(SOCKET_HEAD_START_MS);
      while (!this.stopping.signal.aborted) await this.turn();
    } catch (error) {
      if (!(error instanceof Aborted)) throw error;
    } finally {
      this.drain();
      await Promise.all(this.runs.values());
    }
    return this.outcomes;
  }

  /** No more claims; what runs is saved and given back. */
  drain(): void {
    if (!this.stopping.signal.aborted) this.deps.log.info("stopping: no more tasks are taken");
    this.stopping.abort();
    for (const run of this.runs.keys()) run.control.raise("drain");
  }

  /** A message of the socket: a hint, so a cancel only makes the heartbeat ask. */
  receive(message: Exclude<SocketMessage, { type: "drain" }>): void {
    if (message.type === "wake") {
      this.wakes.push(message.task_id);
      this.changed.wake();
      return;
    }
    for (const run of this.runs.keys()) if (run.lease.lease_id === message.lease_id) run.beatNow();
  }

  /** The socket's state has changed. */
  reconsider(): void {
    this.changed.wake();
  }

  private async turn(): Promise<void> {
    const { clock, isSocketUp } = this.deps;
    const isDone = this.deps.once && this.runs.size > 0;
    const free = isDone ? [] : this.slots.free();
    const pauseMs = this.pausedUntilMs - clock.now();
    if (free.length === 0 || pauseMs > 0) {
      this.wakes.length = 0; // For someone else; the next claim sees what is left.
      await this.rest(pauseMs > 0 && free.length > 0 ? pauseMs : FALLBACK_POLL_MS);
      return;
    }
    await this.deps.renewIfAgeing();
    const wakeTask = this.wakes.shift();
    const waitMs = wakeTask !== undefined || isSocketUp() ? 0 : LONG_POLL_MS;
    const lease = await this.claim(free, wakeTask, waitMs);
    if (lease) this.begin(lease, free);
    else if (this.wakes.length === 0) {
      this.deps.onIdle(free);
      await this.rest(isSocketUp() ? FALLBACK_POLL_MS : POLL_PAUSE_MS);
    }
  }

  private rest(ms: number): Promise<void> {
    return this.deps.clock.sleep(ms, AbortSignal.any([this.stopping.signal, this.changed.signal]));
  }

  private async claim(free: SlotInfo[], taskId: string | undefined, waitMs: number): Promise<Lease | null> {
    const { signal } = this.stopping;
    const { api, retrier, log } = this.deps;
    const request = { claim_id: randomUUID(), free_slots: free, task_id: taskId, wait_ms: waitMs };
    try {
      return await retrier.run(() => api.claim(request, signal), UNTIL_ANSWERED, signal);
    } catch (error) {
      // A lease whose answer came too late is another's by now; the next claim is a new one.
      if (!isStaleLease(error)) throw error;
      log.info("a claim came too late");
      return null;
    }
  }

  private begin(lease: Lease, free: readonly SlotInfo[]): void {
    const slot = this.deps.slots.find(({ id }) => id === lease.slot_id);
    if (!slot || !free.some(({ id }) => id === slot.id))
      throw new Error(`lease ${lease.lease_id} is for slot ${lease.slot_id}, which is not free here`);
    this.slots.occupy(lease);
    const run = this.deps.startTask(lease, slot);
    const done = run
      .run()
      .then((outcome) => this.ended(outcome))
      .catch((error: unknown) => {
        this.deps.log.warn(`${lease.lease_id}: ended badly: ${describeError(error)}`);
        this.ended("setup_failed");
      })
      .finally(() => {
        this.runs.delete(run);
        this.slots.leave(lease);
        this.changed.wake();
      });
    this.runs.set(run, done);
    if (this.stopping.signal.aborted) run.control.raise("drain");
  }

  private ended(outcome: TaskOutcome): void {
    this.outcomes.push(outcome);
    if (this.deps.once) this.stopping.abort();
    this.setupFailures = outcome === "setup_failed" ? this.setupFailures + 1 : 0;
    if (this.setupFailures === 0) return;
    const pauseMs = Math.min(SETUP_PAUSE_MAX_MS, SETUP_PAUSE_BASE_MS * 2 ** (this.setupFailures - 1));
    this.pausedUntilMs = this.deps.clock.now() + pauseMs;
  }
}
