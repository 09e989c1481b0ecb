import type { JobStatus } from "./job-status";

/**
 * The Training Module's session, at most one active of an account. Its state is nowhere stored: it follows from which tasks
 * the session has and what has become of them.
 */
export const MODULE_STATES = [
  "none",
  "setup",
  "preprocessing",
  "preprocessed",
  "training",
  "trained",
  "stopped",
  "failed",
] as const;
export type ModuleState = (typeof MODULE_STATES)[number];

export const IMPORT_STATES = ["none", "importing", "imported", "failed"] as const;
export type ImportState = (typeof IMPORT_STATES)[number];

export const MODULE_TASK_TYPES = ["text-generation", "classification", "regression", "embedding"] as const;
export type ModuleTaskType = (typeof MODULE_TASK_TYPES)[number];

/** What `POST /parameters` sets; absent ones have the defaults of docs/dialects/training-module.md. */
export interface ModuleConfig {
  model?: string;
  taskType?: ModuleTaskType;
  batchSize?: number;
  epochs?: number;
  evalMetrics?: string[];
  epochsPerTestRun?: number;
  learningRate?: number;
  seed?: number;
  initEval?: boolean;
  cacheDir?: string;
  overwriteCache?: boolean;
  /** Not set but followed: what the model was imported for, the default of `taskType`. */
  importedTaskType?: ModuleTaskType;
}

export interface ModuleSessionRecord {
  id: string;
  accountId: string;
  projectId: string;
  config: ModuleConfig;
  trainDatasetId: string | null;
  testDatasetId: string | null;
  /** Tasks of kind `preprocess`, `train` and `import`: rows of `jobs`. */
  preprocessJobId: string | null;
  trainJobId: string | null;
  importJobId: string | null;
  /** As the caller wrote it: training with this `model` uses the imported one. */
  importedModel: string | null;
  /** Goes up with every change; a guarded update that finds another one has lost a race. */
  version: number;
  createdAtMs: number;
  /** Set when it was wiped: null is the account's active one. */
  endedAtMs: number | null;
}

/** What a session's state follows from. */
export interface ModuleTask {
  status: JobStatus;
  reasonMessage: string | null;
}

/** A session with what has become of its tasks, as one read gives them; null: it has none, or it was deleted. */
export interface ModuleSession extends ModuleSessionRecord {
  preprocess: ModuleTask | null;
  train: ModuleTask | null;
  import: ModuleTask | null;
}

export type ModuleChanges = Partial<
  Pick<
    ModuleSessionRecord,
    "config" | "trainDatasetId" | "testDatasetId" | "preprocessJobId" | "trainJobId" | "importJobId" | "importedModel"
  >
>;

export interface ModuleSessionStore {
  /** The account's one. */
  active(accountId: string): Promise<ModuleSession | null>;
  /** Ends `replaces` if it is still active, and makes `session` the active one unless there is another: one batch. */
  start(
    session: ModuleSessionRecord,
    replaces: string | null,
  ): Promise<{ started: boolean; ended: ModuleSessionRecord | null }>;
  /** False: the session is not as it was read, or no longer active. */
  change(session: Pick<ModuleSessionRecord, "id" | "version">, changes: ModuleChanges): Promise<boolean>;
  /** As it was when it ended; null when it had ended before. */
  end(id: string, nowMs: number): Promise<ModuleSessionRecord | null>;
}

/** Keys follow from the session's id and a secret: nothing is stored that could be read. */
export interface ModuleKeys {
  keyOf(sessionId: string): Promise<string>;
  isKeyOf(sessionId: string, key: string): Promise<boolean>;
}
