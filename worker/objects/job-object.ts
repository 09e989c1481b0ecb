/**
 * The Durable Object of one job: a thin shell. Its rules are services over its own storage and D1 (container.ts builds
 * them); here is only what RPC, the alarm and SSE need. Errors cross RPC as data, since their class would not.
 */
import { DurableObject } from "cloudflare:workers";
import type {
  BeginCheckpointRequest,
  BeginCheckpointResponse,
  CommitCheckpointRequest,
  CommitCheckpointResponse,
  FinishRequest,
  ReleaseRequest,
  ReportRequest,
  ReportResponse,
} from "../../protocol";
import { jobObjectParts, objectMeta, type JobObjectParts } from "../container";
import { answering, loggable, type Answer } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { JobCommand } from "../domain/job-state";
import type {
  ClaimedTask,
  EventsPage,
  MetricsAnswer,
  MetricsQuery,
  StreamEventPage,
  StreamRequest,
} from "../domain/ports";
import type { Env } from "../env";
import type { JobObjectRpc } from "./rpc";

const JOB_ID_KEY = "job_id";

export class JobObject extends DurableObject<Env> implements JobObjectRpc {
  #parts: JobObjectParts | null = null;

  /** The parts are built on the first call, which brings the job's id; an alarm finds it in storage. */
  #of(jobId: string): JobObjectParts {
    if (this.#parts) return this.#parts;
    this.#parts = jobObjectParts(this.ctx, this.env, jobId);
    objectMeta(this.ctx).set(JOB_ID_KEY, jobId);
    return this.#parts;
  }

  command(jobId: string, command: JobCommand, key: string): Promise<Answer<JobRecord>> {
    return answering(() => this.#of(jobId).door.transition(command, key));
  }

  tick(jobId: string): Promise<Answer<void>> {
    return answering(() => this.#of(jobId).door.tick());
  }

  claim(
    jobId: string,
    agentId: string,
    claimId: string,
    command: Extract<JobCommand, { type: "claim" }>,
  ): Promise<Answer<ClaimedTask>> {
    return answering(() => this.#of(jobId).claim(agentId, claimId, command));
  }

  report(jobId: string, agentId: string, epoch: number, request: ReportRequest): Promise<Answer<ReportResponse>> {
    return answering(() => this.#of(jobId).reports.report(agentId, epoch, request));
  }

  beginCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<Answer<BeginCheckpointResponse>> {
    return answering(() => this.#of(jobId).checkpoints.begin(agentId, epoch, request, origin));
  }

  commitCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: CommitCheckpointRequest,
  ): Promise<Answer<CommitCheckpointResponse>> {
    return answering(() => this.#of(jobId).checkpoints.commit(agentId, epoch, request));
  }

  finish(jobId: string, agentId: string, epoch: number, request: FinishRequest): Promise<Answer<JobRecord>> {
    return answering(() => this.#of(jobId).finish(agentId, epoch, request));
  }

  release(jobId: string, agentId: string, epoch: number, request: ReleaseRequest): Promise<Answer<JobRecord>> {
    return answering(() => this.#of(jobId).release(agentId, epoch, request));
  }

  events(jobId: string, page: EventsPage): Promise<Answer<StreamEventPage>> {
    return answering(() => this.#caughtUp(jobId, (parts) => parts.local.listEvents(page)));
  }

  metrics(jobId: string, query: MetricsQuery): Promise<Answer<MetricsAnswer>> {
    return answering(() => Promise.resolve(this.#of(jobId).local.queryMetrics(query)));
  }

  stream(jobId: string, request: StreamRequest): Promise<Answer<Response>> {
    return answering(() => this.#caughtUp(jobId, (parts) => parts.local.subscribe(request)));
  }

  override async alarm(): Promise<void> {
    const jobId = objectMeta(this.ctx).get(JOB_ID_KEY);
    if (jobId === null) return;
    const parts = this.#of(jobId);
    try {
      await parts.door.onAlarm();
    } catch (error) {
      console.error("a job's alarm failed; it rings again", jobId, loggable(error));
    } finally {
      await parts.rearm();
    }
  }

  async #caughtUp<T>(jobId: string, read: (parts: JobObjectParts) => T): Promise<T> {
    const parts = this.#of(jobId);
    await parts.door.settled();
    return read(parts);
  }
}
