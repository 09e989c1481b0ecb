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

/** What `POST /parameters` sets; absent ones have the defaults of docs/dialects/training-module.md. */
export interface ModuleConfig {
  model?: string;
  taskType?: string;
  batchSize?: number;
  epochs?: number;
  evalMetrics?: string[];
  epochsPerTestRun?: number;
  learningRate?: number;
  seed?: number;
  initEval?: boolean;
  cacheDir?: string;
  overwriteCache?: boolean;
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
