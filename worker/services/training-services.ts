/** The use-cases of training sessions, as the edges see them. */
import type { Principal } from "../domain/accounts";
import type { DatasetRecord } from "../domain/artifacts";
import type { JobRecord } from "../domain/job";
import type { OffsetPage } from "../domain/ports";
import type { ListedRun } from "../domain/runs";
import type { SessionStatus, TrainingSession } from "../domain/training-sessions";
import type { NewSession } from "./training-sessions";

export interface BuiltSession {
  dataset: DatasetRecord;
  rows: number;
  /** Runs that had nothing to learn from. */
  skippedRuns: number;
}

export interface TrainingServices {
  /** Throws `invalid_request` naming `env` or `model`. */
  createSession(principal: Principal, session: NewSession): Promise<TrainingSession>;
  /** Of the principal's project, newest first. */
  listSessions(principal: Principal, status: SessionStatus | undefined, page: OffsetPage): Promise<TrainingSession[]>;
  listSessionNames(
    principal: Principal,
    status: SessionStatus | undefined,
    page: OffsetPage,
  ): Promise<{ id: string; name: string }[]>;
  sessionStatusOf(session: TrainingSession): SessionStatus;
  /** Of all the runs that the session has picked, in their order. */
  sessionRunIds(session: TrainingSession): Promise<string[]>;
  sessionRuns(session: TrainingSession, page: OffsetPage): Promise<ListedRun[]>;
  /** All of them or, with one that is not there, none. Throws `conflict` when the session cannot change now. */
  addSessionRuns(principal: Principal, session: TrainingSession, runIds: string[]): Promise<void>;
  /** Makes a dataset of the session's runs; throws `conflict` while another request does, or a job runs. */
  buildSession(principal: Principal, session: TrainingSession): Promise<BuiltSession>;
  /** A signed URL of the data that the session has now; throws `not_found` when it has none. */
  sessionDataUrl(session: TrainingSession, origin: string): Promise<string>;
  /** By its name in the principal's project, its id, or `default`: what `build` has made. */
  chooseSessionDataset(principal: Principal, session: TrainingSession, name: DatasetName): Promise<DatasetRecord>;
  startSession(principal: Principal, session: TrainingSession): Promise<JobRecord>;
  /** Throws `not_cancellable` when no job of the session runs. */
  cancelSession(principal: Principal, session: TrainingSession): Promise<JobRecord>;
  /** Waits for the job's end, at most MAX_SYNC_WAIT_MS; the job as it then is. */
  jobAtItsEnd(job: JobRecord): Promise<JobRecord>;
}

export type DatasetName = { name: string } | { id: string } | "default";
