/**
 * One lane of reports (`data` or `logs`): what is pushed arrives at the worker in order and exactly once. When the lane
 * is idle a report goes at once; while it is busy, items are gathered for as long as the worker asks. Every report has
 * its number and is on disk before it is sent, so an outage costs disk, not memory or items.
 */
import { mkdir } from "node:fs/promises";
import type { DataItem, LogLine } from "../../protocol";
import type { AgentApi } from "./api-client";
import { ApiError, isLeaseGone } from "./api-error";
import type { Clock } from "./clock";
import type { Log } from "./log";
import type { TaskPaths } from "./paths";
import { Aborted, UNTIL_ANSWERED, type Retrier } from "./retry";
import { Spool } from "./spool";
import type { TaskControl } from "./task-control";
import { Waker } from "./waker";

/** The protocol's bounds of a report; the second leaves room for its envelope. */
const MAX_ITEMS = 2_000;
const MAX_BYTES = 1024 * 1024 - 1024;

/**
 * Bounds on disk. Beyond that of `data` whoever pushes has to wait, and with it the trainer, since a metric is never
 * dropped: ten minutes of silence at over a megabyte a second. Logs are worth less than training: who has no room for a
 * line leaves it out (log-pump.ts). Theirs is ten minutes of what the quota admits, and half as much again.
 */
const MAX_SPOOL_BYTES = { data: 1024 * 1024 * 1024, logs: 256 * 1024 * 1024 };

/** A worker that answers `seq_gap` to the number it asked for is broken; this is when to stop believing it. */
const MAX_GAPS_IN_A_ROW = 5;

export interface LaneDeps {
  readonly api: AgentApi;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly log: Log;
  readonly control: TaskControl;
  readonly leaseId: string;
}

export interface Lanes {
  readonly data: ReportLane<DataItem>;
  readonly logs: ReportLane<LogLine>;
}

export async function openLanes(paths: TaskPaths, deps: LaneDeps): Promise<Lanes> {
  await mkdir(paths.spool, { recursive: true });
  return {
    data: new ReportLane<DataItem>("data", new Spool(paths.spool, "data"), deps),
    logs: new ReportLane<LogLine>("logs", new Spool(paths.spool, "logs"), deps),
  };
}

export class ReportLane<Item> {
  private open: string[] = [];
  private openBytes = 0;
  private lastCut = 0;
  private lastAcked = 0;
  /** Added to a report's number to get its seq: not 0 only after a report had to be given up. */
  private shift = 0;
  private gapsInARow = 0;
  private lastSentAtMs = -Infinity;
  private waiting = 0;
  private isSleeping = false;
  private readonly work = new Waker();
  private readonly progress = new Waker();
  private readonly stopped = new AbortController();
  private running: Promise<void> | null = null;
  private failure: Error | null = null;

  constructor(
    private readonly name: "data" | "logs",
    private readonly spool: Spool,
    private readonly deps: LaneDeps,
    private readonly maxSpoolBytes: number = MAX_SPOOL_BYTES[name],
  ) {}

  /** Whether a push would be taken without waiting for the worker. */
  get hasRoom(): boolean {
    return this.spool.size <= this.maxSpoolBytes;
  }

  /** Takes an item; resolves when the lane can take more. An item too large for a report is refused with false. */
  async push(item: Item): Promise<boolean> {
    const json = JSON.stringify(item);
    const bytes = Buffer.byteLength(json) + 1;
    if (bytes > MAX_BYTES) return false;
    while (this.open.length >= MAX_ITEMS || this.openBytes + bytes > MAX_BYTES) await this.cut();
    this.open.push(json);
    this.openBytes += bytes;
    this.running ??= this.run();
    if (this.isSleeping) this.work.wake();
    while (!this.hasRoom && !this.isOver) await this.progress.wait();
    return true;
  }

  /** Resolves when all that was pushed until now has been acknowledged, or the lane is over. */
  async flushed(): Promise<void> {
    if (this.open.length > 0) await this.cut();
    const target = this.lastCut;
    this.waiting += 1;
    this.work.wake();
    while (this.lastAcked < target && !this.isOver) await this.progress.wait();
    this.waiting -= 1;
    if (this.failure) throw this.failure;
  }

  /** Ends the lane; what is not acknowledged stays unsent. */
  async stop(): Promise<void> {
    this.stopped.abort();
    this.work.wake();
    await this.running;
  }

  private get isOver(): boolean {
    return this.stopped.signal.aborted || this.failure !== null || this.deps.control.lost.aborted;
  }

  private cut(): Promise<void> {
    const items = `[${this.open.join(",")}]`;
    this.open = [];
    this.openBytes = 0;
    this.lastCut += 1;
    return this.spool.put(this.lastCut, items);
  }

  private async run(): Promise<void> {
    const signal = AbortSignal.any([this.stopped.signal, this.deps.control.lost]);
    signal.addEventListener("abort", () => this.work.wake());
    try {
      while (!signal.aborted) await this.turn(signal);
    } catch (error) {
      if (!(error instanceof Aborted)) this.failure = error instanceof Error ? error : new Error(String(error));
    } finally {
      this.progress.wake();
    }
  }

  private async turn(signal: AbortSignal): Promise<void> {
    const { clock, control } = this.deps;
    const hasReport = this.lastAcked < this.lastCut;
    if (!hasReport && this.open.length === 0) {
      this.isSleeping = true;
      await this.work.wait();
      this.isSleeping = false;
      return;
    }
    const gatherMs = this.lastSentAtMs + control.flushMs - clock.now();
    if (!hasReport && gatherMs > 0 && this.waiting === 0) {
      await clock.sleep(Math.min(gatherMs, control.flushMs), AbortSignal.any([signal, this.work.signal]));
      if (signal.aborted) return;
    }
    if (this.lastAcked >= this.lastCut && this.open.length > 0) await this.cut();
    if (this.lastAcked < this.lastCut) await this.send(this.lastAcked + 1, signal);
  }

  private async send(number: number, signal: AbortSignal): Promise<void> {
    const { api, retrier, clock, control, leaseId } = this.deps;
    const field = this.name === "data" ? "items" : "lines";
    const items = await this.spool.get(number);
    const json = `{"lane":"${this.name}","seq":${number + this.shift},"${field}":${items}}`;
    this.lastSentAtMs = clock.now();
    try {
      const answer = await retrier.run(() => api.report(leaseId, json, signal), UNTIL_ANSWERED, signal);
      await this.acknowledge(number);
      control.answered(answer);
    } catch (error) {
      await this.refused(number, error);
    }
  }

  private async acknowledge(number: number): Promise<void> {
    this.gapsInARow = 0;
    this.lastAcked = number;
    await this.spool.acknowledged(number);
    this.progress.wake();
  }

  private async refused(number: number, error: unknown): Promise<void> {
    if (error instanceof ApiError && error.code === "seq_gap") return this.closeGap(error);
    if (isLeaseGone(error)) {
      this.deps.control.raise("lost");
      throw new Aborted();
    }
    if (!(error instanceof ApiError)) throw error;
    this.deps.log.warn(`${this.deps.leaseId}: a ${this.name} report was refused and is left out: ${error.message}`);
    this.shift -= 1;
    this.lastAcked = number;
    await this.spool.dropBelow(number + 1);
    this.progress.wake();
  }

  /** The worker has less than it acknowledged: send again from where it stands, or number on from there. */
  private async closeGap(error: ApiError): Promise<void> {
    const expected = Number(error.detail["expected"]);
    this.gapsInARow += 1;
    if (!Number.isInteger(expected) || expected < 1 || this.gapsInARow > MAX_GAPS_IN_A_ROW) throw error;
    const wanted = expected - this.shift;
    const oldest = this.spool.oldest ?? this.lastAcked + 1;
    this.deps.log.warn(`${this.deps.leaseId}: the worker expects ${this.name} report ${expected}; sending from there`);
    if (wanted < oldest) this.shift = expected - oldest;
    this.lastAcked = Math.max(wanted, oldest) - 1;
    if (this.lastAcked >= this.lastCut) this.lastAcked = this.lastCut;
    await this.spool.acknowledged(this.lastAcked);
    this.progress.wake();
  }
}
