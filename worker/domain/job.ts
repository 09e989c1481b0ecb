/** A job as D1 has it, joined with its task: what every dialect shows and every decision reads. */
import type { FailureReason, JobSpec, Method, TaskKind } from "../../protocol";
import type { JobStatus } from "./job-status";

export interface JobRecord {
  id: string;
  accountId: string;
  projectId: string;
  method: Method;
  status: JobStatus;
  /** Set with a terminal status, and never changed after. */
  reason: FailureReason | null;
  /** A sentence that a person can act on. */
  reasonMessage: string | null;
  /** The last lines of the log of a failed job. */
  logTail: string[];
  /** `base_model` as the client wrote it. */
  baseModel: string;
  /** Empty for a task of kind `import`. */
  datasetId: string;
  outputName: string;
  /** One over 4 KiB is here with a short system prompt; `SpecStore.read` gives the whole. */
  spec: JobSpec;
  /** Where the whole spec is in R2, and its digest; null when `spec` is the whole. */
  specKey: string | null;
  specSha256: string | null;
  /** Where the job runs or ran; null until it is provisioned. `local` is an agent that joined by itself. */
  provider: string | null;
  gpu: { type: string; count: number } | null;
  version: number;
  lastTid: string | null;
  /** Attempts lost in a row without a newly committed checkpoint. */
  lostInARow: number;
  finalCheckpointId: string | null;
  /** Percent of the work done when it last changed its status. */
  progress: number;
  /** Somebody wants the job paused; it is so once its agent has saved its work and given it back, or is lost. */
  pauseRequestedAtMs: number | null;
  /** The job that this one tries again. */
  retryOf: string | null;
  /** The ended job whose last resume checkpoint this one goes on from, until it has one of its own. */
  startJobId: string | null;
  /** Time that ended attempts held the job. */
  heldMs: number;
  /** When the present attempt began to hold it. */
  heldSinceMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
  /** When the first attempt began to train. */
  startedAtMs: number | null;
  completedAtMs: number | null;
  task: TaskRecord;
}

/** What is leased. It has its job's id: whatever its kind, it is one row of `jobs`, behind one kind of door. */
export interface TaskRecord {
  id: string;
  kind: TaskKind;
  /** Counts leases; the fence of every write of an agent. 0: never leased. */
  epoch: number;
  attempt: number;
  agentId: string | null;
}

/** One row of a job's history. `seq` orders the events of one transition. */
export interface JobEvent {
  type: EventType;
  atMs: number;
  metadata: Record<string, unknown>;
}

export const EVENT_TYPES = [
  "created",
  "submitted",
  "provisioning",
  "host_requested",
  "host_ready",
  "gpu_substituted",
  "running",
  "checkpoint_committed",
  "sample_masked",
  "resume_conditions_changed",
  "attempt_lost",
  "requeued",
  "paused",
  "resumed",
  "testing",
  "budget_80",
  "budget_100",
  "completed",
  "failed",
  "timed_out",
  "cancelled",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];
