/**
 * A Vertesia training session. Its status is nowhere stored: it follows from what the session has and from its job, so that
 * the two cannot disagree.
 */
import type { JobRecord } from "./job";
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

/** What a session shows of its job. */
export type SessionJob = Pick<JobRecord, "id" | "status" | "reason" | "reasonMessage" | "createdAtMs" | "updatedAtMs">;

/** A session with the environment that it names and its job, as one read gives them. */
export interface TrainingSession extends TrainingSessionRecord {
  /** null too when the job was deleted. */
  job: SessionJob | null;
  environment: { id: string; name: string; provider: string };
}

/** What a session with a job is (DESIGN §3); the store's filter has the same table. */
export const SESSION_STATUS_OF: Record<JobStatus, SessionStatus> = {
  queued: "processing",
  paused: "processing",
  provisioning: "processing",
  running: "processing",
  testing: "processing",
  completed: "completed",
  failed: "failed",
  timed_out: "failed",
  cancelled: "cancelled",
};

/** A build comes first: one begins only when no job lives, and what it makes is prepared anew. */
export function sessionStatus(
  session: Pick<TrainingSession, "buildingSinceMs" | "datasetId"> & { job: Pick<SessionJob, "status"> | null },
  nowMs: number,
): SessionStatus {
  if (session.buildingSinceMs !== null && session.buildingSinceMs > nowMs - BUILD_TIMEOUT_MS) return "building";
  if (session.job) return SESSION_STATUS_OF[session.job.status];
  return session.datasetId === null ? "created" : "prepared";
}

/** As many as one session may pick: its answer names every one of them. */
export const MAX_SESSION_RUNS = 200_000;
