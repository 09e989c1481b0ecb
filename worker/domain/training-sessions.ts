/**
 * A Vertesia training session. Its status is nowhere stored: it follows from what the session has and from its job, so that
 * the two cannot disagree.
 */
import type { JobStatus } from "./job-status";

export const SESSION_STATUSES = [
  "created",
  "building",
  "prepared",
  "processing",
  "completed",
  "cancelled",
  "failed",
] as const;
export type SessionStatus = (typeof SESSION_STATUSES)[number];

/** A build that began longer ago than this died with its request. */
export const BUILD_TIMEOUT_MS = 15 * 60_000;

export interface TrainingSessionRecord {
  id: string;
  accountId: string;
  projectId: string;
  name: string;
  environmentId: string;
  /** `base_model` of its jobs. */
  model: string;
  /** What `build` has made last; what the name `default` stands for. */
  builtDatasetId: string | null;
  /** What will be trained on: a dataset, or a completed upload (which has the id that its dataset will have). */
  datasetId: string | null;
  buildingSinceMs: number | null;
  /** Of the last build: rows written, and runs left out because they have no result. */
  builtRows: number | null;
  skippedRuns: number | null;
  /** Forgotten when the session is prepared anew; the job itself stays. */
  jobId: string | null;
  createdBy: string;
  updatedBy: string;
  createdAtMs: number;
  updatedAtMs: number;
}

/** A session with the environment that it names and the status of its job, as one read gives them. */
export interface TrainingSession extends TrainingSessionRecord {
  jobStatus: JobStatus | null;
  environment: { id: string; name: string; provider: string };
}
