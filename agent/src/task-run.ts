/**
 * One lease from its claim to its end: inputs, trainer, reports, the last word to the worker, and nothing left behind.
 * Whatever goes wrong on this machine gives the task back; only what the job or its trainer did fails it. Local files
 * go last, after the worker has taken the end.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import type { Dispatcher } from "undici";
import { HANG_TIMEOUT_SECONDS, type Lease, type SlotInfo } from "../../protocol";
import type { AgentApi } from "./api-client";
import { ApiError, isLeaseGone } from "./api-error";
import type { CacheSpace } from "./cache-space";
import type { Clock } from "./clock";
import {
  cancelledEnding,
  decideEnding,
  failedEnding,
  releasedEnding,
  setupFailedEnding,
  type Ending,
} from "./decide-ending";
import { Heartbeat } from "./heartbeat";
import type { InputCache } from "./input-cache";
import { fetchInputs, InputError } from "./inputs";
import { describeError, type Log } from "./log";
import { LogQuota } from "./log-quota";
import type { StatePaths, TaskPaths } from "./paths";
import { openLanes, type Lanes } from "./report-lanes";
import { UNTIL_ANSWERED, type Retrier } from "./retry";
import { TaskControl } from "./task-control";
import { TaskRecord } from "./task-record";
import { train } from "./train";
import { toTrainerConfig } from "./trainer-config";
import type { TrainerProcess } from "./trainer-process";

export type TaskOutcome = "completed" | "failed" | "cancelled" | "released" | "setup_failed" | "lost";

export interface TaskDeps {
  readonly baseUrl: string;
  readonly api: AgentApi;
  /** For bytes: parts and downloads, beside the API's own connections. */
  readonly transfers: Dispatcher;
  readonly retrier: Retrier;
  readonly clock: Clock;
  readonly log: Log;
  readonly paths: StatePaths;
  readonly inputs: InputCache;
  /** What the host keeps between tasks. */
  readonly cache: CacheSpace;
  readonly startTrainer: (leaseId: string, slot: SlotInfo, paths: TaskPaths) => Promise<TrainerProcess>;
  readonly torchThreads: number | null;
  readonly renewToken: (token: string, expiresAtMs: number) => void;
  readonly onStart: (trainer: TrainerProcess) => () => void;
}

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

  /** All the work of the lease. The ending is decided by what it returns, after the reports are through. */
  private async work(lanes: Lanes): Promise<() => Ending> {
    const { lease, paths, control, deps } = this;
    const transfer = { baseUrl: deps.baseUrl, dispatcher: deps.transfers, retrier: deps.retrier };
    const inputs = await fetchInputs(lease, paths, { ...transfer, inputs: deps.inputs }, control.stopping);
    const config = toTrainerConfig(lease, this.slot, inputs, paths, deps.torchThreads);
    await writeFile(paths.config, JSON.stringify(config));
    if (control.wish !== "continue") return () => this.stoppedEnding();
    const uploads = {
      ...transfer,
      api: deps.api,
      log: deps.log,
      leaseId: lease.lease_id,
      task: lease.kind,
      paths,
      control,
      isTrained: lease.inputs.test?.is_trained ?? false,
      reported: () => lanes.data.flushed(),
    };
    const quota = new LogQuota(lease.limits, deps.clock);
    const end = await train({
      ...deps,
      startTrainer: () => deps.startTrainer(lease.lease_id, this.slot, paths),
      control,
      lanes,
      quota,
      record: this.record,
      outputDir: paths.output,
      hangMs: 1000 * (lease.spec.hang_timeout_seconds ?? HANG_TIMEOUT_SECONDS[lease.spec.method]),
      checkpoints: uploads,
    });
    return () => decideEnding({ ...end, wish: control.wish });
  }

  /** Why the work ended by an error: a wish that cut it short, an input that cannot be had, or this machine. */
  private endingOf(error: unknown): Ending {
    if (this.control.wish !== "continue") return this.stoppedEnding();
    this.deps.log.warn(`${this.lease.lease_id}: ${describeError(error)}`);
    if (error instanceof InputError) return failedEnding("download_failed", error.message, []);
    return setupFailedEnding(describeError(error));
  }

  private stoppedEnding(): Ending {
    const { wish } = this.control;
    if (wish === "lost") return { kind: "lost" };
    return wish === "cancel" ? cancelledEnding() : releasedEnding(wish);
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
