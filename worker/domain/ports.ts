/** What services need of the world, as interfaces; `container.ts` alone knows who stands behind them. */
import type { CheckpointManifest, JobSpec, TaskKind } from "../../protocol";
import type { AccountRecord, ApiKeyRecord, Principal, ProjectRecord, ProjectUpdate } from "./accounts";
import type { AgentPrincipal, AgentRecord, BootstrapTokenRecord, SlotOffer, TaskNeeds } from "./agents";
import type { CheckpointRecord, DatasetRecord, FunctionRecord } from "./artifacts";
import type { JobEvent, JobRecord } from "./job";
import type { Decision } from "./job-state";
import type { JobStatus } from "./job-status";
import type { EngineRecord, ServedModel } from "./engines";
import type { EnvironmentRecord } from "./environments";
import type { ModuleSession } from "./module-sessions";
import type { RetrievedRun } from "./runs";
import type { Page, PageRequest } from "./page";
import type { Credential, TokenNames } from "./token-ports";
import type { TrainingSession } from "./training-sessions";
import type { UploadRecord } from "./uploads";

export type * from "./deletion-ports";
export type * from "./engine-object-ports";
export type * from "./engine-ports";
export type * from "./job-object-ports";
export type * from "./page";
export type * from "./run-ports";
export type * from "./token-ports";
export type * from "./session-ports";

export interface Clock {
  nowMs(): number;
}

export interface Ids {
  /** A fresh bare id in the first shard. */
  next(): string;
  /** `bytes` random bytes as lower-case hex. */
  randomHex(bytes: number): string;
}

/** The record that a route reads first: it travels in the batch of the key's look-up, scoped by whoever owns the key. */
export type FirstRead =
  | { kind: "none" }
  | { kind: "job"; id: string }
  /** As `job`, of any task kind; `job` finds those of kind `train` alone. */
  | { kind: "task"; id: string }
  | { kind: "environment"; id: string }
  | { kind: "run"; id: string }
  | { kind: "session"; id: string }
  /** The account's active session of the Training Module. */
  | { kind: "module" }
  | { kind: "dataset"; id: string }
  | { kind: "function"; id: string }
  | { kind: "upload"; id: string }
  | { kind: "project"; id: string }
  | { kind: "engine"; id: string }
  | { kind: "deployment"; id: string }
  /** The deployment that a request's `model` means: by its name, or by its id. */
  | { kind: "served"; name: string; id: string | null };

export interface FirstReadResult {
  job: JobRecord | null;
  dataset: DatasetRecord | null;
  fn: FunctionRecord | null;
  upload: UploadRecord | null;
  project: ProjectRecord | null;
  environment: EnvironmentRecord | null;
  run: RetrievedRun | null;
  session: TrainingSession | null;
  module: ModuleSession | null;
  engine: EngineRecord | null;
  /** Of `deployment` and of `served`. */
  served: ServedModel | null;
}

/** What a route that asks for no record has read. */
export const NOTHING_READ: FirstReadResult = {
  job: null,
  dataset: null,
  fn: null,
  upload: null,
  project: null,
  environment: null,
  run: null,
  session: null,
  module: null,
  engine: null,
  served: null,
};

export interface AccountStore {
  create(account: AccountRecord, project: ProjectRecord, key: ApiKeyRecord, keySha256: string): Promise<void>;
  list(page: PageRequest): Promise<Page<AccountRecord>>;
  createProject(project: ProjectRecord): Promise<void>;
  /** null when there is no such project. */
  updateProject(accountId: string, id: string, update: ProjectUpdate): Promise<ProjectRecord | null>;
  /** The account and its first project, when the deployment has no other account. */
  only(): Promise<{ accountId: string; projectId: string } | null>;
  getProject(accountId: string, id: string): Promise<ProjectRecord | null>;
  listProjects(accountId: string, page: PageRequest): Promise<Page<ProjectRecord>>;
}

export interface KeyStore {
  create(key: ApiKeyRecord, sha256: string): Promise<void>;
  list(accountId: string, page: PageRequest): Promise<Page<ApiKeyRecord>>;
  /** False when there is no such live key. */
  revoke(accountId: string, id: string, nowMs: number): Promise<boolean>;
  /** Whoever a live credential speaks for and the route's first read, in one batch. */
  authenticate(
    credential: Credential,
    read: FirstRead,
  ): Promise<{ principal: Principal | null; first: FirstReadResult }>;
  /** What a token tells of a principal; null when the account has no such project. */
  names(principal: Pick<Principal, "accountId" | "projectId" | "keyId">): Promise<TokenNames | null>;
  /** Writes `last_used_at` if it is older than a minute. */
  touch(keyId: string, nowMs: number): Promise<void>;
}

export interface DatasetStore {
  create(dataset: DatasetRecord): Promise<void>;
  /** Together with the upload of the same id, which must be completed and becomes used; false when it is not. */
  createFromUpload(dataset: DatasetRecord): Promise<boolean>;
  get(accountId: string, id: string): Promise<DatasetRecord | null>;
  byIds(accountId: string, ids: string[]): Promise<DatasetRecord[]>;
  newestNamed(accountId: string, projectId: string, name: string): Promise<DatasetRecord | null>;
  list(accountId: string, page: PageRequest, filter: { projectId?: string }): Promise<Page<DatasetRecord>>;
}

export interface FunctionStore {
  /** Throws when the account has a testing function of this name. */
  create(fn: FunctionRecord): Promise<void>;
  findTest(accountId: string, name: string): Promise<FunctionRecord | null>;
  /** The account's testing functions by name. */
  listTests(accountId: string, limit: number): Promise<FunctionRecord[]>;
  get(accountId: string, id: string): Promise<FunctionRecord | null>;
  /** By their ids. */
  names(accountId: string, ids: string[]): Promise<Map<string, string>>;
  list(accountId: string, page: PageRequest): Promise<Page<FunctionRecord>>;
}

export interface JobFilter {
  statuses?: JobStatus[];
  /** Default `train`. */
  kind?: TaskKind;
  method?: string;
  projectId?: string;
}

export interface IdempotencyRecord {
  accountId: string;
  route: string;
  key: string;
  requestSha256: string;
  resourceId: string;
  createdAtMs: number;
}

export interface TransitionWrite {
  tid: string;
  nowMs: number;
  decision: Decision;
  /** Of the present holding: not counted as time that the job had. */
  outageMs: number;
  /** Percent of the job's work that is done. */
  progress: number;
  /** Written in the same batch, guarded like the rest. */
  checkpoint?: CheckpointRecord;
}

export interface JobStore {
  /** The job, its task and its first event; with the idempotency row in the same batch, which fails when the key is taken. */
  create(job: JobRecord, event: JobEvent, tid: string, idempotency: IdempotencyRecord | null): Promise<void>;
  findIdempotent(accountId: string, route: string, key: string): Promise<IdempotencyRecord | null>;
  get(accountId: string, id: string): Promise<JobRecord | null>;
  /** Those that have not ended, made with an idempotency key of one of `routes` that begins with `keyPrefix`: 100 at most. */
  unendedOfKeys(accountId: string, routes: readonly string[], keyPrefix: string): Promise<JobRecord[]>;
  /** For the job's own object and for consumers that were given the id by us: one that was deleted too. */
  load(id: string): Promise<JobRecord | null>;
  list(accountId: string, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>>;
  /** The newest completed job of that name in the project. */
  newestSuccess(accountId: string, projectId: string, name: string, kind?: TaskKind): Promise<JobRecord | null>;
  /** The highest n of the names `<prefix><n>` in the project; 0 when there is none. */
  highestNumber(accountId: string, projectId: string, prefix: string): Promise<number>;
  /** The guarded update and everything that hangs on it, in one batch; the job as it then is. */
  apply(job: JobRecord, write: TransitionWrite): Promise<JobRecord>;
  /** Whether a transition with this id has committed. */
  committed(jobId: string, tid: string): Promise<boolean>;
  /** The job's events of versions beyond `version` (-1: all), in order. */
  eventsSince(jobId: string, version: number): Promise<JobEvent[]>;
  /** Tasks that this agent holds. */
  heldBy(agentId: string): Promise<string[]>;
  touchTicked(id: string, nowMs: number): Promise<void>;
  touchSeen(id: string, nowMs: number): Promise<void>;
  /** Queued tasks that an agent may take, oldest first: of its account (null: any), and of no engine that it serves. */
  claimable(
    agent: Pick<AgentPrincipal, "agentId" | "accountId">,
    offers: SlotOffer[],
    substitute: boolean,
    limit: number,
  ): Promise<string[]>;
  /** Queued and not ticked since `before`, or live and not seen since `seenBefore`. */
  overdue(tickedBeforeMs: number, seenBeforeMs: number, limit: number): Promise<string[]>;
}

export interface CheckpointStore {
  list(jobId: string, page: PageRequest): Promise<Page<CheckpointRecord>>;
  get(jobId: string, id: string): Promise<CheckpointRecord | null>;
  byOrdinal(jobId: string, ordinal: number): Promise<CheckpointRecord | null>;
  /** The newest committed one that training can go on from. */
  newestResume(jobId: string): Promise<CheckpointRecord | null>;
  /** Epoch and final checkpoints in order of their ordinals. */
  withOrdinals(jobId: string): Promise<CheckpointRecord[]>;
  /** What the tests of checkpoints have shown, committed, in order of their steps. */
  tests(jobId: string): Promise<CheckpointRecord[]>;
  resumesBeyond(jobId: string, keep: number): Promise<CheckpointRecord[]>;
  /** With a row that lets the sweep find its files, below `prefix`, should whoever deletes them not come to it. */
  markDeleted(checkpoint: CheckpointRecord, prefix: string): Promise<void>;
  markBad(id: string): Promise<void>;
  markVerified(id: string): Promise<void>;
  /** Committed ones whose large files were to be read by `nowMs`; they are due again at `nextMs`. */
  takeUnverified(nowMs: number, nextMs: number, limit: number): Promise<{ id: string; jobId: string }[]>;
}

/** What a checkpoint's begin has opened, below one prefix of R2. */
export interface BegunCheckpoint {
  checkpointId: string;
  jobId: string;
  prefix: string;
  begunAtMs: number;
}

export interface BegunStore {
  add(begun: BegunCheckpoint): Promise<void>;
  remove(checkpointId: string): Promise<void>;
  /** The oldest that were begun before `atMs` and are not removed yet. */
  before(atMs: number, limit: number): Promise<BegunCheckpoint[]>;
}

export interface AgentStore {
  createToken(token: BootstrapTokenRecord, sha256: string): Promise<void>;
  listTokens(accountId: string, page: PageRequest): Promise<Page<BootstrapTokenRecord>>;
  findToken(sha256: string): Promise<BootstrapTokenRecord | null>;
  /** Binds an unused token to the nonce and creates the agent, in one batch; another nonce may have been first. */
  register(token: BootstrapTokenRecord, nonce: string, agent: AgentRecord): Promise<void>;
  findByNonce(tokenId: string, nonce: string): Promise<AgentRecord | null>;
  get(id: string): Promise<AgentRecord | null>;
  /** Replaces what is known of the agent's host. */
  describe(id: string, info: AgentRecord["info"]): Promise<void>;
  list(accountId: string, page: PageRequest): Promise<Page<AgentRecord>>;
  revoke(accountId: string, id: string, nowMs: number): Promise<boolean>;
  /** The small table of idle agents, written only on change. */
  setIdle(agentId: string, accountId: string | null, offers: SlotOffer[], nowMs: number): Promise<void>;
  clearIdle(agentId: string): Promise<void>;
  /** An idle agent that may run `needs` for the account. */
  findIdle(accountId: string, needs: TaskNeeds, substitute: boolean, limit: number): Promise<string[]>;
}

export interface StoredBlob {
  sizeBytes: number;
  sha256: string;
}

export interface BlobStore {
  /** Streams chunks to `key` in equal parts, hashing on the way. Nothing is left behind when the source throws. */
  putStream(key: string, chunks: AsyncIterable<Uint8Array>): Promise<StoredBlob>;
  putBytes(key: string, bytes: Uint8Array): Promise<StoredBlob>;
  /** False when the key is taken already. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean>;
  getBytes(key: string, maxBytes: number): Promise<Uint8Array | null>;
  /** `length` bytes from `offset`, streamed. */
  read(key: string, offset: number, length: number): Promise<ReadableStream<Uint8Array> | null>;
  delete(keys: string[]): Promise<void>;
  /** Everything whose key begins so: for prefixes that one begin has made. */
  deletePrefix(prefix: string): Promise<void>;
  /** At most 1,000 of those whose key begins so; true when none is left. */
  deleteSome(prefix: string): Promise<boolean>;
}

/** Uploads of checkpoint files: opened and completed by the worker alone. */
export interface MultipartStore {
  open(key: string): Promise<string>;
  /** Refuses a part whose MD5 is not `md5Base64`, before it counts. */
  putPart(
    key: string,
    uploadId: string,
    number: number,
    body: ReadableStream,
    size: number,
    md5Base64: string,
  ): Promise<{ etag: string }>;
  /**
   * Completes and verifies: size, then the etag that proves the parts' MD5s, or the SHA-256 by reading where the etag
   * proves nothing or the file is small. Safe to repeat. Throws `conflict` on a mismatch.
   */
  complete(
    key: string,
    uploadId: string,
    parts: { number: number; size: number; md5: string; etag: string }[],
    size: number,
    sha256: string,
  ): Promise<void>;
}

export interface SignedDownload {
  key: string;
  sizeBytes: number;
  /** Of the whole stored file: its bytes never change, so this is its ETag. */
  sha256: string;
  filename: string;
  accountId: string;
  /** One file inside a stored-block archive. */
  member?: { tarOffset: number; sizeBytes: number };
}

export interface UrlSigner {
  /** A URL that answers GET, HEAD and Range until it expires (at most 1 h). */
  download(blob: SignedDownload, origin: string): Promise<string>;
  /** A URL that takes one part by PUT. */
  part(part: { key: string; uploadId: string; number: number; size: number }, origin: string): Promise<string>;
  verifyDownload(token: string): Promise<SignedDownload>;
  verifyPart(token: string): Promise<{ key: string; uploadId: string; number: number; size: number }>;
}

export interface TokenSigner {
  sign(principal: { agentId: string; accountId: string | null }): Promise<{ token: string; expiresAtMs: number }>;
  /** Throws `unauthenticated`. */
  verify(token: string): Promise<{ agentId: string; accountId: string | null; expiresAtMs: number }>;
}

export type QueueMessage = { type: "tick"; jobId: string };

/** The n-th large file of a committed checkpoint is to be read. */
export interface VerifyMessage {
  jobId: string;
  checkpointId: string;
  file: number;
}

export interface VerifyQueue {
  /** At most 100. */
  sendMany(messages: VerifyMessage[]): Promise<void>;
}

export interface DispatchQueue {
  send(message: QueueMessage, delaySeconds: number): Promise<void>;
  sendMany(messages: QueueMessage[]): Promise<void>;
}

/** Work that may go on after the answer. */
export type Later = (work: Promise<unknown>) => void;

export interface AgentDirectory {
  /** Tells an agent that there is work; false when it has no open socket and no open poll. */
  wake(agentId: string, taskId: string): Promise<boolean>;
  /** Asks for a heartbeat now: its answer says that the lease is to end. */
  hurry(agentId: string, leaseId: string): Promise<void>;
  /** Waits until the agent is woken, at most `waitMs`; the task it was woken for, if any. */
  awaitWake(agentId: string, waitMs: number): Promise<string | null>;
  /** Makes every token of the agent worthless. */
  revoke(agentId: string): Promise<void>;
  isRevoked(agentId: string): Promise<boolean>;
  /** The agent found no work for these slots (empty: it has none free); D1's idle table follows when this changes. */
  setIdle(agent: AgentPrincipal, offers: SlotOffer[]): Promise<void>;
  connect(agent: AgentPrincipal, request: Request): Promise<Response>;
}

/** What the deployment is set to. Milliseconds and bytes. */
export interface Settings {
  heartbeatMs: number;
  leaseMs: number;
  resumeIntervalMs: number;
  /** How long a request waits for an engine that has to come up. */
  wakeWaitMs: number;
  /** How long a streamed answer may be silent. */
  inferenceIdleMs: number;
  /** How long a request may take at most, from when an agent has it. */
  inferenceTotalMs: number;
  /** Dev and demo: every agent stands in for whatever GPU a job asks for. */
  substituteGpus: boolean;
  /** What a job gets that asks for no GPU. */
  defaultGpu: { type: string; count: number };
  /** A deployment for development: base models may be paths on the agent's host, bootstrap tokens may be reused. */
  dev: boolean;
  /** The lowest isolation of user code on a host of the platform's; an account's own hosts are its own affair. */
  minIsolation: number;
}

export interface SpecStore {
  /** What D1 keeps of the spec; the whole is stored first where that is not all of it. */
  keep(jobId: string, spec: JobSpec): Promise<Pick<JobRecord, "spec" | "specKey" | "specSha256">>;
  /** The whole spec. Throws when the stored bytes do not have the digest that D1 has. */
  read(job: JobRecord): Promise<JobSpec>;
}

export interface ManifestStore {
  /** Throws when the stored bytes do not have the digest that D1 has. */
  read(checkpoint: CheckpointRecord): Promise<CheckpointManifest>;
}
