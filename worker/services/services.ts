/**
 * The use-cases, as the edges see them. Each is a function of its own file, bound to its ports in `container.ts`. All take
 * a principal and touch only what is its account's; what is another's does not exist.
 */
import type {
  ArtifactRole,
  BeginCheckpointRequest,
  BeginCheckpointResponse,
  ClaimRequest,
  CommitCheckpointRequest,
  CommitCheckpointResponse,
  FinishRequest,
  FunctionFormat,
  Lease,
  RegisterRequest,
  RegisterResponse,
  ReleaseRequest,
  ReportRequest,
  ReportResponse,
  TaskKind,
} from "../../protocol";
import type { AccountRecord, ApiKeyRecord, Principal, ProjectRecord, ProjectUpdate, Scope } from "../domain/accounts";
import type { AgentPrincipal, AgentRecord, BootstrapTokenRecord } from "../domain/agents";
import type { CheckpointRecord, DatasetRecord, FunctionRecord } from "../domain/artifacts";
import type { JobRecord } from "../domain/job";
import type { JobStatus } from "../domain/job-state";
import type { TestFunction } from "../domain/test-function";
import type { UploadRecord } from "../domain/uploads";
import type { DownloadRequest } from "./download-blob";
import type { RunServices } from "./run-services";
import type { SessionUploadServices } from "./session-upload-services";
import type { ModuleServices } from "./module-services";
import type { TaskServices } from "./task-services";
import type { EngineServices } from "./engine-services";
import type { EnvironmentServices } from "./environment-services";
import type { TrainingServices } from "./training-services";
import type { TokenServices } from "./token-services";
import type { NewDataset } from "./upload-dataset";
import type { NewUpload, SentBytes, UploadStatus } from "./uploads";
import type {
  EventsPage,
  FirstRead,
  FirstReadResult,
  JobFilter,
  MetricsAnswer,
  MetricsQuery,
  Page,
  PageRequest,
  StreamEventPage,
  StreamRequest,
  VerifyMessage,
} from "../domain/ports";

/** A function by its bare id (null: of another form, which is not found), or a testing function by its name. */
export type FunctionRef = { id: string | null } | { name: string };

/** What a dialect's `map.toSpec` makes of a request: typed, not yet checked against the domain's rules. */
export interface JobRequest {
  method: string;
  baseModel: string;
  /** Bare ids; a client's id that has not the dialect's form is passed as null, which is not found. */
  datasetId: string | null;
  functions: (FunctionRef & { weight: number })[];
  hyperparameters: Record<string, unknown>;
  /** In place of `global_batch_size`, for dialects in which it is counted by GPU. */
  batching?: { perGpu: number; accumulation: number };
  outputName: string;
  gpu?: { type: string; count: number };
  provider?: string;
  maxCostUsd?: number;
  maxDurationSeconds?: number;
  hangTimeoutSeconds?: number;
  eval?: {
    datasetId?: string | null;
    splitPercent?: number;
    everySteps?: number;
    everyEpochs?: number;
    metrics?: string[];
    atStart?: boolean;
  };
  /** Default `train`. An `import` has no dataset. */
  kind?: TaskKind;
  /** The bare id of a preprocess task of the account. */
  preprocessedBy?: string;
  earlyStop?: { metric: string; patience: number; minDelta?: number; window?: number };
  description?: string;
  downsamplePercent?: number;
  /** Shares or numbers of rows by label. */
  rebalance?: Record<string, number>;
  test?: { datasetId?: string | null; splitPercent?: number; functions: FunctionRef[] };
  /** Datasets must be of the principal's project, not just of the account. */
  ownProjectOnly?: boolean;
}

export interface RetryRequest {
  /** `checkpoint`: go on from the old job's last committed resume checkpoint, where it has one. */
  from: "checkpoint" | "start";
  /** In place of the old job's. */
  maxDurationSeconds?: number;
}

export interface Idempotency {
  key: string;
  /** SHA-256 of the request's body: the same key with another body is refused. */
  requestSha256: string;
  route: string;
}

export type { EventsPage, MetricsAnswer, MetricsQuery, StreamEventPage, StreamRequest } from "../domain/ports";

export interface ModelArchive {
  checkpoint: CheckpointRecord;
  /** Signed, absolute, good for an hour, with Range. */
  archiveUrl: string;
  expiresAtMs: number;
}

export interface ModelDownload extends ModelArchive {
  /** The same files one by one. */
  files: { path: string; sizeBytes: number; url: string }[];
}

/** A numbered checkpoint; both URLs are signed, absolute, good for an hour, with Range. */
export interface TestedCheckpoint {
  checkpoint: CheckpointRecord;
  modelUrl: string;
  /** `resultsUrl`: the table, one row of the test set a line. `results`: each function's mean. */
  test: { resultsUrl: string; results: Record<string, number> } | null;
}

export interface CheckpointDetail {
  checkpoint: CheckpointRecord;
  files: { role: ArtifactRole; path: string; sizeBytes: number; sha256: string; url: string }[];
}

/** Those that are deleted are not in here. */
export interface JobNames {
  datasets: Map<string, DatasetRecord>;
  functions: Map<string, string>;
}

export interface NewKey {
  record: ApiKeyRecord;
  /** Shown this once. */
  key: string;
}

export interface Services
  extends
    TaskServices,
    TokenServices,
    SessionUploadServices,
    RunServices,
    ModuleServices,
    EnvironmentServices,
    EngineServices,
    TrainingServices {
  /** By an API key or a JWT. Throws `unauthenticated`. One without `scope` is `forbidden`. */
  authenticate(key: string, scope: Scope, read: FirstRead): Promise<{ principal: Principal; first: FirstReadResult }>;

  createAccount(name: string): Promise<{ account: AccountRecord; project: ProjectRecord; key: NewKey }>;
  listAccounts(page: PageRequest): Promise<Page<AccountRecord>>;
  createProject(
    principal: Principal,
    name: string,
    more?: Partial<Pick<ProjectRecord, "namespace" | "description">>,
  ): Promise<ProjectRecord>;
  updateProject(
    principal: Principal,
    project: ProjectRecord,
    changes: Pick<ProjectUpdate, "set" | "mergeConfiguration">,
  ): Promise<ProjectRecord>;
  /** A name of the form `<stem>-<n>` that is free in the account. */
  nextProjectName(principal: Principal, stem: string): Promise<string>;
  listProjects(principal: Principal, page: PageRequest): Promise<Page<ProjectRecord>>;
  getProject(principal: Principal, id: string | null): Promise<ProjectRecord>;
  /** With its datasets, jobs and functions. Throws `conflict` while a job needs any of them, or a live key has it as default. */
  deleteProject(principal: Principal, project: ProjectRecord): Promise<void>;
  /** `prefix` is the dialect's: `vk_` or `sk-`. Scopes are never wider than the caller's. */
  createKey(principal: Principal, name: string, prefix: "vk_" | "sk-", scopes?: Scope[]): Promise<NewKey>;
  listKeys(principal: Principal, page: PageRequest): Promise<Page<ApiKeyRecord>>;
  revokeKey(principal: Principal, id: string | null): Promise<void>;

  /** Streams the file to R2 and profiles it on the way: 400 with the first bad line, and then nothing is kept. */
  uploadDataset(principal: Principal, upload: NewDataset): Promise<DatasetRecord>;
  getDataset(principal: Principal, id: string | null): Promise<DatasetRecord>;
  listDatasets(principal: Principal, page: PageRequest, filter?: { projectId?: string }): Promise<Page<DatasetRecord>>;
  /** Throws `conflict` while a job that has not ended uses it; so do the other two of these. */
  deleteDataset(dataset: DatasetRecord): Promise<void>;
  /** A signed URL of the bytes as they came. */
  datasetDownload(dataset: DatasetRecord, origin: string): Promise<{ url: string; expiresAtMs: number }>;

  /** The dataset of a completed upload, whose id and bytes it takes; the same one when it is asked for again. */
  datasetFromUpload(
    principal: Principal,
    request: { uploadId: string | null; name: string | undefined },
  ): Promise<DatasetRecord>;

  /** An upload in pieces; throws `rate_limited` when too many are open. */
  createUpload(principal: Principal, upload: NewUpload): Promise<UploadRecord>;
  listUploads(principal: Principal, page: PageRequest): Promise<Page<UploadRecord>>;
  uploadStatus(upload: UploadRecord): Promise<UploadStatus>;
  /** Throws `conflict` with `facts.offset` for a piece that does not follow what has come. */
  receiveUpload(upload: UploadRecord, sent: SentBytes): Promise<UploadStatus>;
  /** Throws `conflict` while bytes are missing, `invalid_request` when the SHA-256 is another. */
  completeUpload(upload: UploadRecord, sha256: string | null): Promise<UploadStatus>;
  abortUpload(upload: UploadRecord): Promise<void>;

  createFunction(
    principal: Principal,
    fn: { name: string; format: FunctionFormat; source: Uint8Array },
  ): Promise<FunctionRecord>;
  getFunction(principal: Principal, id: string | null): Promise<FunctionRecord>;
  listFunctions(principal: Principal, page: PageRequest): Promise<Page<FunctionRecord>>;
  deleteFunction(fn: FunctionRecord): Promise<void>;
  /** Those that every account has, then its own, with their sources. */
  listTestFunctions(principal: Principal): Promise<TestFunction[]>;
  /** The id that jobs take: `shared:<name>`, or the bare id of one of the account; null when there is none. */
  findTestFunction(principal: Principal, name: string): Promise<string | null>;

  submitJob(principal: Principal, request: JobRequest, idempotency: Idempotency | null): Promise<JobRecord>;
  /** The newest job of that name in the principal's project that has completed. */
  newestSuccess(principal: Principal, name: string): Promise<JobRecord | null>;
  /** `<stem>-<n>`, with an n above that of every job of the principal's project. */
  nextJobName(principal: Principal, stem: string): Promise<string>;
  /** What the datasets and functions of these jobs are called, by their bare ids (`shared:<name>` too). */
  jobNames(principal: Principal, jobs: JobRecord[]): Promise<JobNames>;
  /** A job with the whole of its spec, of which lists show the beginning when it is over 4 KiB. */
  wholeJob(job: JobRecord): Promise<JobRecord>;
  getJob(principal: Principal, id: string | null): Promise<JobRecord>;
  listJobs(principal: Principal, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>>;
  /** Throws `not_cancellable` for a job that has ended. */
  cancelJob(job: JobRecord): Promise<JobRecord>;
  /** With its checkpoints, history and logs. Throws `conflict` while it lives, or while one that builds on it lives. */
  deleteJob(job: JobRecord): Promise<void>;
  /** Throws `illegal_transition` for a job that has ended. */
  pauseJob(job: JobRecord): Promise<JobRecord>;
  /** Throws `illegal_transition` for a job that is neither paused nor about to be. */
  resumeJob(job: JobRecord): Promise<JobRecord>;
  /** A new job like one that failed, timed out or was cancelled; throws `illegal_transition` for any other. */
  retryJob(job: JobRecord, request: RetryRequest, idempotency: Idempotency | null): Promise<JobRecord>;
  jobEvents(job: JobRecord, page: EventsPage): Promise<StreamEventPage>;
  jobMetrics(job: JobRecord, query: MetricsQuery): Promise<MetricsAnswer>;
  /** Percent of the work done, for each in their order; 100 only of completed ones. */
  jobProgress(jobs: readonly JobRecord[]): Promise<number[]>;
  /** The loss of each so-manieth step, by the job's `logging_steps`, and of the last one. */
  trainingLoss(job: JobRecord, maxPoints: number): Promise<{ tsMs: number; loss: number }[]>;
  /** An SSE response, or 204 when there is nothing after `lastEventId`. Throws `rate_limited` at 500 live subscribers. */
  jobStream(job: JobRecord, request: StreamRequest): Promise<Response>;
  /** null: the job has not completed, or its final checkpoint has proved bad. */
  modelArchive(job: JobRecord, origin: string): Promise<ModelArchive | null>;
  /** Throws `invalid_request` before the job has completed, `conflict` when its final checkpoint has proved bad. */
  modelDownload(job: JobRecord, origin: string): Promise<ModelDownload>;
  listCheckpoints(job: JobRecord, page: PageRequest): Promise<Page<CheckpointRecord>>;
  /** Those with an ordinal, in its order; ones that proved bad are left out. */
  testedCheckpoints(job: JobRecord, origin: string): Promise<TestedCheckpoint[]>;
  getCheckpoint(job: JobRecord, id: string | null, origin: string): Promise<CheckpointDetail>;

  /** `accountId` null makes a platform token (admin only). */
  createBootstrapToken(
    accountId: string | null,
    options: { ttlSeconds: number; reusable: boolean },
  ): Promise<{ record: BootstrapTokenRecord; token: string }>;
  listBootstrapTokens(principal: Principal, page: PageRequest): Promise<Page<BootstrapTokenRecord>>;
  listAgents(principal: Principal, page: PageRequest): Promise<Page<AgentRecord>>;
  revokeAgent(principal: Principal, id: string | null): Promise<void>;

  /** GET or HEAD on a signed URL; answers Range with 206 and 416. */
  download(token: string, request: DownloadRequest): Promise<Response>;

  registerAgent(bootstrapToken: string, request: RegisterRequest): Promise<RegisterResponse>;
  authenticateAgent(token: string): Promise<AgentPrincipal>;
  connectAgent(agent: AgentPrincipal, request: Request): Promise<Response>;
  /** null: nothing to do now. */
  leaseTask(agent: AgentPrincipal, request: ClaimRequest, origin: string): Promise<Lease | null>;
  reportTask(agent: AgentPrincipal, leaseId: string, request: ReportRequest): Promise<ReportResponse>;
  beginCheckpoint(
    agent: AgentPrincipal,
    leaseId: string,
    request: BeginCheckpointRequest,
    origin: string,
  ): Promise<BeginCheckpointResponse>;
  putPart(token: string, body: ReadableStream, md5Base64: string): Promise<{ etag: string }>;
  commitCheckpoint(
    agent: AgentPrincipal,
    leaseId: string,
    request: CommitCheckpointRequest,
  ): Promise<CommitCheckpointResponse>;
  finishTask(agent: AgentPrincipal, leaseId: string, request: FinishRequest): Promise<{ status: JobStatus }>;
  releaseTask(agent: AgentPrincipal, leaseId: string, request: ReleaseRequest): Promise<{ status: JobStatus }>;

  /** A queue message or a sweep has named this job: heal what a crash left and offer it to an idle agent. */
  tickJob(jobId: string): Promise<void>;
  /** Each minute: names what was left behind, by the hundred, to the queue. */
  sweep(): Promise<void>;
  /** Each minute too: a bounded look at bytes that nobody will come back for, or has not read again yet. */
  sweepBytes(): Promise<void>;
  /** And this: what was deleted goes for good. */
  sweepDeleted(): Promise<void>;
  /** And this: what an import of runs has left whose worker died. */
  sweepImports(): Promise<void>;
  /** A queue message: read one large file of a committed checkpoint and hold it against its SHA-256. */
  verifyCheckpoint(message: VerifyMessage): Promise<void>;
}
