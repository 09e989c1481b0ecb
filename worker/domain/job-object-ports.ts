/** What a job's object keeps, and what it does for those outside it. */
import type {
  BeginCheckpointRequest,
  BeginCheckpointResponse,
  CommitCheckpointRequest,
  CommitCheckpointResponse,
  FinishRequest,
  MetricKind,
  ReleaseRequest,
  ReportRequest,
  ReportResponse,
} from "../../protocol";
import type { EventType, JobEvent, JobRecord } from "./job";
import type { JobCommand } from "./job-state";
import type { JobStatus } from "./job-status";
import type { WorkDone } from "./progress";

export interface ClaimedTask {
  job: JobRecord;
  expiresAtMs: number;
  /** Bytes of log text that earlier attempts have used of the job's quota. */
  logBytes: number;
}

export type LeaseState = "live" | "expired" | "draining" | "ended";

/** The lease as the job's object keeps it: the fence of every write of an agent. */
export interface LocalLease {
  epoch: number;
  agentId: string;
  attempt: number;
  expiresAtMs: number;
  /**
   * `expired`: may still be revived; `draining`: the job was ended by somebody else, the agent is still tidying up;
   * `ended`: nothing more is taken.
   */
  state: LeaseState;
}

/** What a job's object keeps beside D1: its lease, the intent of a transition under way, timers, and the stream. All sync. */
export interface JobLocal {
  /** The version up to which the stream has the job's events; -1 before any. */
  version(): number;
  lease(): LocalLease | null;
  saveLease(lease: LocalLease): void;
  /** The job's wish to be paused, as D1 last had it: what heartbeats answer by. */
  pauseRequested(): boolean;
  savePauseRequested(requested: boolean): void;
  /** How long we were away while this epoch's lease was live: no time that the job had. */
  outageMs(epoch: number): number;
  addOutage(epoch: number, ms: number): void;
  dropOutage(): void;
  intent(): { tid: string; atMs: number } | null;
  saveIntent(tid: string, command: JobCommand, atMs: number): void;
  dropIntent(): void;
  /** Arms the object's alarm for the earliest of its timers. */
  setTimer(name: TimerName, atMs: number): void;
  clearTimer(name: TimerName): void;
  dueTimers(nowMs: number): { name: TimerName; atMs: number }[];
  /** Appends to the stream, remembers the version and tells subscribers. */
  appendEvents(version: number, attempt: number, events: JobEvent[]): void;
  /** The `end` item, once: the stream closes after it. */
  appendEnd(status: JobStatus, nowMs: number): void;
  /** A sentence for people; none after the stream's end. */
  appendNotice(attempt: number, message: string, nowMs: number): void;
  hasListeners(): boolean;
  /** What trainers have told of the job's work, up to the last report. */
  workDone(): WorkDone;
  /** Bytes of log text taken so far, from all attempts. */
  logBytes(): number;
  listEvents(page: EventsPage): StreamEventPage;
  queryMetrics(query: MetricsQuery): MetricsAnswer;
  /** An SSE response; 204 when everything up to the end is known already. */
  subscribe(request: StreamRequest): Response;
  /** Applies a data or logs report exactly once; see `ReportOutcome`. */
  applyReport(
    lease: LocalLease,
    request: Extract<ReportRequest, { lane: "data" | "logs" }>,
    answer: ReportResponse,
  ): ReportOutcome;
  /** Rolls back together when `work` throws. */
  transaction<T>(work: () => T): T;
}

export type TimerName = "lease" | "intent" | "duration";

export type ReportOutcome =
  { type: "applied" } | { type: "repeat"; answer: ReportResponse } | { type: "gap"; expected: number };

/** The door to one job's object, as callers outside it see it. */
export interface JobDoorStub {
  command(command: JobCommand, key: string): Promise<JobRecord>;
  tick(): Promise<void>;
  claim(agentId: string, claimId: string, command: Extract<JobCommand, { type: "claim" }>): Promise<ClaimedTask>;
  report(agentId: string, epoch: number, request: ReportRequest): Promise<ReportResponse>;
  beginCheckpoint(
    agentId: string,
    epoch: number,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<BeginCheckpointResponse>;
  commitCheckpoint(agentId: string, epoch: number, request: CommitCheckpointRequest): Promise<CommitCheckpointResponse>;
  /** What reading its large files has shown: `fault` says what is wrong, null that nothing is. */
  checkpointVerdict(checkpointId: string, fault: string | null): Promise<void>;
  finish(agentId: string, epoch: number, request: FinishRequest): Promise<JobRecord>;
  release(agentId: string, epoch: number, request: ReleaseRequest): Promise<JobRecord>;
  events(page: EventsPage): Promise<StreamEventPage>;
  metrics(query: MetricsQuery): Promise<MetricsAnswer>;
  workDone(): Promise<WorkDone>;
  stream(request: StreamRequest): Promise<Response>;
  /** Of a job that was deleted: everything that its object keeps. Safe to repeat. */
  erase(): Promise<void>;
}

export interface JobDoors {
  of(jobId: string): JobDoorStub;
}

export interface EventsPage {
  limit: number;
  /** The id of the last item of the page before. */
  after?: number;
}

/** An event as lists show it. */
export interface StreamEvent {
  id: number;
  type: EventType;
  atMs: number;
  attempt: number;
  metadata: Record<string, unknown>;
}

export interface StreamEventPage {
  items: StreamEvent[];
  hasMore: boolean;
}

export interface MetricsQuery {
  /** `train` by default. */
  kind?: MetricKind;
  /** Only these keys; rows that have none of them are left out. */
  keys?: readonly string[];
  fromStep?: number;
  toStep?: number;
  maxPoints: number;
  /** Rows of each so-manieth step alone, and the last one, where every step is logged. */
  everySteps?: number;
  /** With each row's time. */
  withTimes?: boolean;
}

export interface MetricsAnswer {
  points: { step: number; attempt: number; values: Record<string, number>; tsMs?: number }[];
  /** In the order in which they first appeared. */
  availableKeys: string[];
  /** null before the first row. */
  latestStep: number | null;
}

export interface StreamRequest {
  /** The header as it came; null when absent. */
  lastEventId: string | null;
  /** The dialect's word for each status, for the `end` item. */
  statusWords: Record<JobStatus, string>;
  /** The dialect's paths at which events and metrics can be read when the stream has a gap. */
  readInstead: string[];
}
