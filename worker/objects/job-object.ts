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
import type { WorkDone } from "../domain/progress";
import type {
  ClaimedTask,
  EventsPage,
  MetricsAnswer,
  MetricsQuery,
  StreamEventPage,
  StreamRequest,
} from "../domain/ports";
import type { Env } from "../env";
import { JOB_ID_KEY } from "../streams/meta";
import type { JobObjectRpc } from "./rpc";

export class JobObject extends DurableObject<Env> implements JobObjectRpc {
  #parts: JobObjectParts | null = null;
  #settling: Promise<unknown> | null = null;

  /** The parts are built on the first call, which brings the job's id; an alarm finds it in storage. */
  #of(jobId: string): JobObjectParts {
    if (this.#parts) return this.#parts;
    this.#parts = jobObjectParts(this.ctx, this.env, jobId);
    objectMeta(this.ctx).set(JOB_ID_KEY, jobId);
    return this.#parts;
  }

  command(jobId: string, command: JobCommand, key: string): Promise<Answer<JobRecord>> {
    return this.#call(jobId, (parts) => parts.door.transition(command, key));
  }

  tick(jobId: string): Promise<Answer<void>> {
    return this.#call(jobId, (parts) => parts.door.tick());
  }

  claim(
    jobId: string,
    agentId: string,
    claimId: string,
    command: Extract<JobCommand, { type: "claim" }>,
  ): Promise<Answer<ClaimedTask>> {
    return this.#call(jobId, (parts) => parts.claim(agentId, claimId, command));
  }

  report(jobId: string, agentId: string, epoch: number, request: ReportRequest): Promise<Answer<ReportResponse>> {
    return this.#call(jobId, (parts) => parts.reports.report(agentId, epoch, request));
  }

  beginCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<Answer<BeginCheckpointResponse>> {
    return this.#call(jobId, (parts) => parts.checkpoints.begin(agentId, epoch, request, origin));
  }

  commitCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: CommitCheckpointRequest,
  ): Promise<Answer<CommitCheckpointResponse>> {
    return this.#call(jobId, (parts) => parts.checkpoints.commit(agentId, epoch, request));
  }

  checkpointVerdict(jobId: string, checkpointId: string, fault: string | null): Promise<Answer<void>> {
    return this.#call(jobId, (parts) => parts.verdict(checkpointId, fault));
  }

  finish(jobId: string, agentId: string, epoch: number, request: FinishRequest): Promise<Answer<JobRecord>> {
    return this.#call(jobId, (parts) => parts.finish(agentId, epoch, request));
  }

  release(jobId: string, agentId: string, epoch: number, request: ReleaseRequest): Promise<Answer<JobRecord>> {
    return this.#call(jobId, (parts) => parts.release(agentId, epoch, request));
  }

  events(jobId: string, page: EventsPage): Promise<Answer<StreamEventPage>> {
    return this.#caughtUp(jobId, (parts) => parts.local.listEvents(page));
  }

  metrics(jobId: string, query: MetricsQuery): Promise<Answer<MetricsAnswer>> {
    return this.#call(jobId, (parts) => Promise.resolve(parts.local.queryMetrics(query)));
  }

  workDone(jobId: string): Promise<Answer<WorkDone>> {
    return this.#call(jobId, (parts) => Promise.resolve(parts.local.workDone()));
  }

  stream(jobId: string, request: StreamRequest): Promise<Answer<Response>> {
    return this.#caughtUp(jobId, (parts) => parts.local.subscribe(request));
  }

  /** Rows that are in R2 are not brought back for this: their files go too. */
  async erase(_jobId: string): Promise<Answer<void>> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#parts = null;
    return { ok: true, value: undefined };
  }

  override async alarm(): Promise<void> {
    const jobId = objectMeta(this.ctx).get(JOB_ID_KEY);
    if (jobId === null) return;
    const parts = this.#of(jobId);
    try {
      for (const part of [parts.door, parts.keeper]) {
        await part.onAlarm().catch((error: unknown) => {
          console.error("a job's alarm failed; it rings again", jobId, loggable(error));
        });
      }
    } finally {
      await parts.rearm();
    }
  }

  /** Whatever is asked of an object whose rows are in R2 brings them back first. */
  #call<T>(jobId: string, work: (parts: JobObjectParts) => Promise<T>): Promise<Answer<T>> {
    const parts = this.#of(jobId);
    return answering(() => parts.archive.using(() => work(parts)));
  }

  #caughtUp<T>(jobId: string, read: (parts: JobObjectParts) => T): Promise<Answer<T>> {
    return this.#call(jobId, async (parts) => {
      // A crowd that begins to follow at once costs one look into D1, and does not keep transitions waiting.
      this.#settling ??= parts.door.settled().finally(() => (this.#settling = null));
      await this.#settling;
      return read(parts);
    });
  }
}
