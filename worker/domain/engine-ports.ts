/** What services need of engines and deployments: their store, and the objects behind them. */
import type { DeploymentRecord, EngineRecord, ServedModel } from "./engines";
import type { InferenceLogEntry, InferenceMetrics, RelayCall } from "./inference";
import type { Page, PageRequest } from "./page";

export interface EngineFilter {
  projectId?: string;
  baseModel?: string;
  taskType?: string;
}
export interface DeploymentFilter {
  projectId?: string;
  engineId?: string;
  jobId?: string;
  origins?: DeploymentRecord["origin"][];
}

/** What the door writes; what is left out stays. Each write makes a version. */
export type EngineChange = Partial<
  Pick<
    EngineRecord,
    | "status"
    | "run"
    | "taskIds"
    | "problem"
    | "activeSinceMs"
    | "deactivatedAtMs"
    | "lastAccessAtMs"
    | "management"
    | "replicas"
    | "deletedAtMs"
  >
>;

export interface EngineStore {
  /** With its first deployment, in one batch. Throws `conflict`, whose `facts.taken` says what is another's: `engine`, `deployment` or `serverless`. */
  create(engine: EngineRecord, deployment: DeploymentRecord | null): Promise<void>;
  get(accountId: string, id: string): Promise<EngineRecord | null>;
  /** The account's engine of a catalogue model that is called by its own name. */
  serverless(accountId: string, baseModel: string): Promise<EngineRecord | null>;
  /** For its own object: one that was deleted too. */
  load(id: string): Promise<EngineRecord | null>;
  list(accountId: string, filter: EngineFilter, page: PageRequest): Promise<Page<EngineRecord>>;
  /** Guarded by the version; null when somebody else has written since. What is deleted takes its deployments' names with it. */
  change(engine: EngineRecord, change: EngineChange, nowMs: number): Promise<EngineRecord | null>;
  /** Those that are up or have a schedule, and were to be looked at by `nowMs`: they are due again at `nextMs`. */
  takeDue(nowMs: number, nextMs: number, limit: number): Promise<string[]>;
}

export interface DeploymentStore {
  /** Throws `conflict` naming `name` when another has it. */
  create(deployment: DeploymentRecord): Promise<void>;
  get(accountId: string, id: string): Promise<ServedModel | null>;
  named(accountId: string, name: string): Promise<ServedModel | null>;
  list(accountId: string, filter: DeploymentFilter, page: PageRequest): Promise<Page<ServedModel>>;
  /** Of an engine, live and failed ones, oldest first: 1,000 at most. */
  ofEngine(engineId: string): Promise<DeploymentRecord[]>;
  /** How many are live or failed, by engine. */
  countsOf(engineIds: string[]): Promise<Map<string, number>>;
  /** An agent has it ready in this run of its engine, or could not load it. Does nothing to one that is terminated. */
  markReady(id: string, run: number, labels: string[] | null, nowMs: number): Promise<void>;
  markFailed(id: string, error: string, nowMs: number): Promise<void>;
  /** A failed one is tried again. */
  markLive(id: string, nowMs: number): Promise<void>;
  markTerminated(id: string, nowMs: number): Promise<void>;
  markDeleted(id: string, nowMs: number): Promise<void>;
}

/** An agent that opens a socket for a serve task; the lease was looked at already. */
export interface ServingAgent {
  agentId: string;
  taskId: string;
  epoch: number;
}

/** An engine's object, as the rest of the worker sees it. */
export interface EngineDoorStub {
  /** Brings it up if it is not; at once, without waiting for an agent. One start, however many ask. */
  wake(): Promise<EngineRecord>;
  /** Ends what runs. Throws `illegal_transition` when it is inactive. */
  deactivate(): Promise<EngineRecord>;
  /** As `wake`, by somebody's wish: throws `illegal_transition` when it is up or on its way. */
  reactivate(): Promise<EngineRecord>;
  /** Its deployments are not what they were: agents are told. Wakes an engine whose rule does not forbid it. */
  deploymentsChanged(wakes: boolean): Promise<void>;
  configure(change: Pick<EngineChange, "management" | "replicas">): Promise<EngineRecord>;
  /** Its end, for good; `erases`: its log of requests goes too. Safe to repeat. */
  remove(erases: boolean): Promise<void>;
  /** Heals what a lost alarm or a crash has left. */
  tick(): Promise<void>;
  /** The answer, streamed; or a DomainError before its first byte. Waits for an engine that has to come up first. */
  serve(call: RelayCall): Promise<Response>;
  requests(deploymentId: string, page: PageRequest): Promise<Page<InferenceLogEntry>>;
  metrics(deploymentIds: string[]): Promise<Record<string, InferenceMetrics>>;
  /** The agent's socket. */
  connect(agent: ServingAgent, request: Request): Promise<Response>;
}

export interface EngineDoors {
  of(engineId: string): EngineDoorStub;
}
