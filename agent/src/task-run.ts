/**
 * One lease from its claim to its end: the work (train-task.ts, serving/serve-task.ts), reports, the last word to the
 * worker, and nothing left behind. Whatever goes wrong on this machine gives the task back; only what the job or its
 * trainer did fails it. Local files go last, after the worker has taken the end.
 */
import { mkdir, rm } from "node:fs/promises";
import type { Lease, SlotInfo } from "../../protocol";
import { ApiError, isLeaseGone } from "./api-error";
import { endingOfWish, failedEnding, setupFailedEnding, type Ending } from "./decide-ending";
import { Heartbeat } from "./heartbeat";
import { InputError } from "./inputs";
import { describeError } from "./log";
import type { TaskPaths } from "./paths";
import { openLanes, type Lanes } from "./report-lanes";
import { UNTIL_ANSWERED } from "./retry";
import { TaskControl } from "./task-control";
import { TaskRecord } from "./task-record";
import type { TaskDeps } from "./task-work";
import { serveTask } from "./serving/serve-task";
import { trainTask } from "./train-task";

export type TaskOutcome = "completed" | "failed" | "cancelled" | "released" | "setup_failed" | "lost";

export class TaskRun {
  readonly control: TaskControl;
  private readonly heartbeat: Heartbeat;
  private readonly record = new TaskRecord();
  private readonly paths: TaskPaths;

  constructor(
    readonly lease: Lease,
    private readonly slot: SlotInfo,
    private readonly deps: TaskDeps,
  ) {
    const { clock, api, log, paths, renewToken } = deps;
    this.paths = paths.task(lease.lease_id);
    this.control = new TaskControl(clock, lease.lease_ms, renewToken);
    const step = (): number | null => this.record.step;
    this.heartbeat = new Heartbeat(lease, { api, clock, log, control: this.control, step });
  }

  /** The socket says that the next answer is of interest. */
  beatNow(): void {
    this.heartbeat.beatNow();
  }

  async run(): Promise<TaskOutcome> {
    const { log } = this.deps;
    log.info(`${this.lease.lease_id}: begins, attempt ${this.lease.attempt}`);
    this.heartbeat.start();
    const release = this.deps.cache.holdModel(this.lease.base_model);
    try {
      const outcome = await this.runToEnd();
      log.info(`${this.lease.lease_id}: ends, ${outcome}`);
      return outcome;
    } finally {
      await this.heartbeat.stop();
      await rm(this.paths.root, { recursive: true, force: true });
      await release();
    }
  }

  private async runToEnd(): Promise<TaskOutcome> {
    let lanes: Lanes | null = null;
    try {
      await mkdir(this.paths.root, { recursive: true, mode: 0o700 });
      lanes = await openLanes(this.paths, { ...this.deps, control: this.control, leaseId: this.lease.lease_id });
      const decide = await this.work(lanes);
      await Promise.all([lanes.data.flushed(), lanes.logs.flushed()]);
      return await this.tell(decide());
    } catch (error) {
      return await this.tell(this.endingOf(error));
    } finally {
      await Promise.all([lanes?.data.stop(), lanes?.logs.stop()]);
    }
  }

  /** The ending is decided by what it returns, after the reports are through. */
  private work(lanes: Lanes): Promise<() => Ending> {
    const { lease, slot, paths, control, deps } = this;
    const work = { lease, slot, paths, control, lanes, deps };
    return lease.kind === "serve" ? serveTask(work) : trainTask(work, this.record);
  }

  /** Why the work ended by an error: a wish that cut it short, an input that cannot be had, or this machine. */
  private endingOf(error: unknown): Ending {
    if (this.control.wish !== "continue") return endingOfWish(this.control.wish);
    this.deps.log.warn(`${this.lease.lease_id}: ${describeError(error)}`);
    if (error instanceof InputError) return failedEnding("download_failed", error.message, []);
    return setupFailedEnding(describeError(error));
  }

  /** Says the last word until it is taken. Both calls are idempotent. */
  private async tell(ending: Ending): Promise<TaskOutcome> {
    if (ending.kind === "lost" || this.control.wish === "lost") return "lost";
    const { api, retrier } = this.deps;
    const { lease_id: leaseId } = this.lease;
    const { lost } = this.control;
    try {
      await retrier.run(
        () =>
          ending.kind === "finish" ? api.finish(leaseId, ending.body, lost) : api.release(leaseId, ending.body, lost),
        UNTIL_ANSWERED,
        lost,
      );
    } catch (error) {
      return this.refused(error);
    }
    if (ending.kind === "finish") return ending.body.outcome;
    return ending.body.reason === "setup_failed" ? "setup_failed" : "released";
  }

  private async refused(error: unknown): Promise<TaskOutcome> {
    if (this.control.wish === "lost" || isLeaseGone(error) || !(error instanceof ApiError)) return "lost";
    this.deps.log.warn(`${this.lease.lease_id}: the worker refused its end: ${error.message}`);
    if (error.code !== "no_final_checkpoint") return "lost";
    return this.tell(failedEnding("no_checkpoint", "the worker has no final checkpoint of this job", []));
  }
}
