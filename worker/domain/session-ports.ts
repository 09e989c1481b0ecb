/** What the services of environments and training sessions need of the stores. */
import type { EnvironmentModel, EnvironmentRecord } from "./environments";
import type { SessionStatus, TrainingSession, TrainingSessionRecord } from "./training-sessions";

/** A page as the contract has it: so many, after so many. */
export interface OffsetPage {
  limit: number;
  offset: number;
}

/** Who has changed something, and when. */
export interface Change {
  by: string;
  nowMs: number;
}

export interface SessionFilter {
  accountId: string;
  projectId: string;
  status?: SessionStatus;
}

/** Every change takes `updated_at_ms` further, by a millisecond at least: it stands for the session's version. */
export interface TrainingSessionStore {
  create(session: TrainingSessionRecord): Promise<void>;
  get(accountId: string, id: string): Promise<TrainingSession | null>;
  /** Newest first; `nowMs` decides whether a build still counts. */
  list(filter: SessionFilter, page: OffsetPage, nowMs: number): Promise<TrainingSession[]>;
  names(filter: SessionFilter, page: OffsetPage, nowMs: number): Promise<{ id: string; name: string }[]>;
  /** All of them, in the order in which they were added. */
  runIds(sessionId: string): Promise<string[]>;
  countRuns(sessionId: string): Promise<number>;
  /** Those that it has already stay where they are. False while it is building, while its job runs, or when that has completed. */
  addRuns(sessionId: string, runIds: string[], change: Change): Promise<boolean>;
  /** False as for `addRuns`. The change's time names this build. */
  beginBuild(sessionId: string, change: Change): Promise<boolean>;
  /** Makes the session prepared; false when the build of that time was given up and taken over. */
  endBuild(
    sessionId: string,
    begunAtMs: number,
    built: { datasetId: string; rows: number; skippedRuns: number },
    change: Change,
  ): Promise<boolean>;
  /** The build of that time has failed. */
  dropBuild(sessionId: string, begunAtMs: number): Promise<void>;
  /** Makes the session prepared; false while its job runs or when that has completed. */
  setDataset(sessionId: string, datasetId: string, nowMs: number, by?: string): Promise<boolean>;
  /** False when the session has changed since it was read. */
  attachJob(session: TrainingSession, jobId: string, change: Change): Promise<boolean>;
}

/** What an update says; what it leaves out stays. */
export interface EnvironmentUpdate extends Change {
  set?: Partial<
    Pick<
      EnvironmentRecord,
      | "name"
      | "provider"
      | "description"
      | "endpointUrl"
      | "defaultModel"
      | "enabledModels"
      | "apiKeySealed"
      | "apiKeyHint"
      | "config"
      | "settings"
      | "allowedProjects"
    >
  >;
  /** Its keys take the place of those of the configuration; the others stay. */
  mergeConfig?: Record<string, unknown>;
  /** In place of an enabled model of the same id. */
  enable?: EnvironmentModel;
  disable?: string;
}

export interface EnvironmentStore {
  create(environment: EnvironmentRecord): Promise<void>;
  get(accountId: string, id: string): Promise<EnvironmentRecord | null>;
  /** Newest first; with a project only those that it may use. */
  list(accountId: string, projectId: string | null, limit: number): Promise<EnvironmentRecord[]>;
  /** One statement, so that two that come at once lose nothing; null when there is no such environment. */
  update(accountId: string, id: string, update: EnvironmentUpdate): Promise<EnvironmentRecord | null>;
}

/** Secrets at rest. */
export interface SecretSealer {
  seal(purpose: "environment-api-key", text: string): Promise<string>;
}
