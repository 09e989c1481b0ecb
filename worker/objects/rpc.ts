/** What the objects answer over RPC. Errors cross as data (`Answer`), since their class would not. */
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
import type { SlotOffer } from "../domain/agents";
import type { Answer } from "../domain/errors";
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

type ClaimCommand = Extract<JobCommand, { type: "claim" }>;

export interface JobObjectRpc extends Rpc.DurableObjectBranded {
  command(jobId: string, command: JobCommand, key: string): Promise<Answer<JobRecord>>;
  tick(jobId: string): Promise<Answer<void>>;
  claim(jobId: string, agentId: string, claimId: string, command: ClaimCommand): Promise<Answer<ClaimedTask>>;
  report(jobId: string, agentId: string, epoch: number, request: ReportRequest): Promise<Answer<ReportResponse>>;
  beginCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<Answer<BeginCheckpointResponse>>;
  commitCheckpoint(
    jobId: string,
    agentId: string,
    epoch: number,
    request: CommitCheckpointRequest,
  ): Promise<Answer<CommitCheckpointResponse>>;
  finish(jobId: string, agentId: string, epoch: number, request: FinishRequest): Promise<Answer<JobRecord>>;
  release(jobId: string, agentId: string, epoch: number, request: ReleaseRequest): Promise<Answer<JobRecord>>;
  events(jobId: string, page: EventsPage): Promise<Answer<StreamEventPage>>;
  metrics(jobId: string, query: MetricsQuery): Promise<Answer<MetricsAnswer>>;
  stream(jobId: string, request: StreamRequest): Promise<Answer<Response>>;
}

export interface AgentObjectRpc extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  /** False when nobody listens, neither a poll nor a socket; then D1 lists the agent as idle no more. */
  wake(agentId: string, taskId: string): Promise<boolean>;
  cancel(leaseId: string): void;
  /** The task that the agent was woken for, or null after `waitMs`. */
  awaitWake(waitMs: number): Promise<string | null>;
  revoke(): Promise<void>;
  isRevoked(): Promise<boolean>;
  /** The slots in which the agent found nothing to do. */
  setIdle(agentId: string, accountId: string | null, offers: SlotOffer[]): Promise<void>;
}
