/**
 * The job's state table and the one place that decides a transition (DESIGN §3). Pure: (job, command, now) → decision or
 * refusal. The job's object runs decisions one at a time and writes them with a guarded update; nothing else may.
 */
import {
  CAPACITY_REASONS,
  INFRA_REASONS,
  type CheckpointKind,
  type FailureReason,
  type GpuRequest,
} from "../../protocol";
import type { EventType, JobRecord } from "./job";
import { isLive, isTerminal, type JobStatus } from "./job-status";

export * from "./job-status";

/** Attempts lost in a row, without a newly committed checkpoint, that end a job. */
export const MAX_LOST_IN_A_ROW = 3;

/** The status that follows from a reason: reason first, status derived. */
export function statusOfReason(reason: FailureReason): "failed" | "timed_out" | "cancelled" {
  if (reason === "cancelled") return "cancelled";
  if (reason === "max_duration") return "timed_out";
  return "failed";
}

/** Whether another attempt may help. */
export function isRetried(reason: FailureReason): boolean {
  return ([...INFRA_REASONS, ...CAPACITY_REASONS] as readonly FailureReason[]).includes(reason);
}

export interface CommittedCheckpoint {
  id: string;
  kind: CheckpointKind;
  step: number;
  ordinal: number | null;
}

export type JobCommand =
  | { type: "submit" }
  | { type: "claim"; agentId: string; provider: string; gpu: GpuRequest; substitutedBy: string | null }
  | { type: "start"; epoch: number; resumedFromStep: number }
  /** Training is over; the trainer tests the checkpoints. */
  | { type: "test"; epoch: number }
  | { type: "commit_checkpoint"; epoch: number; checkpoint: CommittedCheckpoint }
  | { type: "complete"; epoch: number; step: number; earlyStopped?: boolean; bestStep?: number }
  | { type: "fail"; epoch: number; reason: FailureReason; message: string; logTail: string[] }
  /** The attempt is gone: expired, released, or failed by bad luck. */
  | { type: "lose"; epoch: number; reason: FailureReason; message: string; logTail: string[] }
  /** A late heartbeat of an expired lease that nobody has claimed since. */
  | { type: "revive"; epoch: number; agentId: string; wasRunning: boolean }
  /** The attempts have held the job for all the time that it was given. */
  | { type: "time_out"; epoch: number; message: string }
  | { type: "cancel" }
  /** Of a job that an agent holds it is a wish, which takes effect when that agent is gone. */
  | { type: "pause" }
  | { type: "resume" };

export interface Decision {
  status: JobStatus;
  reason?: FailureReason;
  reasonMessage?: string;
  logTail?: string[];
  provider?: string;
  gpu?: GpuRequest;
  lostInARow?: number;
  finalCheckpointId?: string;
  started?: true;
  /** A wish, or its withdrawal; absent: as it was, until no agent holds the job. */
  pauseRequested?: boolean;
  /** Set when the lease changes hands. */
  task?: { epoch: number; attempt: number; agentId: string | null };
  /** What D1 and the stream remember of it; a wish, which changes no status, leaves none and makes no version. */
  events: { type: EventType; metadata: Record<string, unknown> }[];
}

export type Refusal = "terminal" | "stale_lease" | "illegal" | "no_final_checkpoint";

export type Verdict = { ok: true; decision: Decision } | { ok: false; refusal: Refusal };

const refuse = (refusal: Refusal): Verdict => ({ ok: false, refusal });
const allow = (decision: Decision): Verdict => ({ ok: true, decision });

/**
 * Decides what `command` does to `job`. A command that names an epoch is refused unless that lease is the present one.
 * `hasUntested`: a committed checkpoint of the job is still to be tested; it matters for a lost attempt alone.
 */
export function decide(job: JobRecord, command: JobCommand, hasUntested = false): Verdict {
  if ("epoch" in command && command.epoch !== job.task.epoch) return refuse("stale_lease");
  if (isTerminal(job.status)) return refuse("terminal");
  switch (command.type) {
    case "submit":
      return job.status === "queued"
        ? allow({ status: "queued", events: [{ type: "submitted", metadata: {} }] })
        : refuse("illegal");
    case "claim":
      return job.status === "queued" ? allow(claimed(job, command)) : refuse("illegal");
    case "start":
      return job.status === "provisioning" ? allow(started(job, command.resumedFromStep)) : refuse("illegal");
    case "test":
      return job.status === "running" ? allow(testing(job)) : refuse("illegal");
    case "commit_checkpoint":
      return isLive(job.status) ? allow(committed(job, command.checkpoint)) : refuse("illegal");
    case "complete":
      return completed(job, command);
    case "fail":
      return isLive(job.status) ? allow(ended(command.reason, command.message, command.logTail)) : refuse("illegal");
    case "lose":
      return isLive(job.status) ? allow(lost(job, command, hasUntested)) : refuse("illegal");
    case "revive":
      return job.status === "queued" && job.task.agentId === command.agentId
        ? allow(revived(job, command.wasRunning))
        : refuse("illegal");
    case "time_out":
      return isLive(job.status) ? allow(ended("max_duration", command.message, [])) : refuse("illegal");
    case "cancel":
      return allow(ended("cancelled", "the job was cancelled", []));
    case "pause":
      return allow(paused(job));
    case "resume":
      return resumed(job);
  }
}

function claimed(job: JobRecord, command: Extract<JobCommand, { type: "claim" }>): Decision {
  const attempt = job.task.attempt + 1;
  const events: Decision["events"] = [{ type: "provisioning", metadata: { attempt, provider: command.provider } }];
  if (command.substitutedBy !== null) {
    events.push({
      type: "gpu_substituted",
      metadata: { requested: command.gpu.type, count: command.gpu.count, substitute: command.substitutedBy },
    });
  }
  return {
    status: "provisioning",
    provider: command.provider,
    gpu: command.gpu,
    task: { epoch: job.task.epoch + 1, attempt, agentId: command.agentId },
    events,
  };
}

function started(job: JobRecord, resumedFromStep: number): Decision {
  return {
    status: "running",
    started: true,
    // A serve task commits nothing that would show it to be well: it is by being up.
    ...(job.task.kind === "serve" ? { lostInARow: 0 } : {}),
    events: [
      {
        type: "running",
        metadata: {
          attempt: job.task.attempt,
          ...(resumedFromStep > 0 ? { resumed_from_step: resumedFromStep } : {}),
        },
      },
    ],
  };
}

function testing(job: JobRecord): Decision {
  return { status: "testing", events: [{ type: "testing", metadata: { attempt: job.task.attempt } }] };
}

function committed(job: JobRecord, checkpoint: CommittedCheckpoint): Decision {
  return {
    status: job.status,
    lostInARow: 0,
    ...(checkpoint.kind === "final" ? { finalCheckpointId: checkpoint.id } : {}),
    events: [
      {
        type: "checkpoint_committed",
        metadata: {
          checkpoint_id: `ckpt_${checkpoint.id}`,
          kind: checkpoint.kind,
          step: checkpoint.step,
          ...(checkpoint.ordinal === null ? {} : { ordinal: checkpoint.ordinal }),
        },
      },
    ],
  };
}

function completed(
  job: JobRecord,
  { step, earlyStopped, bestStep }: Extract<JobCommand, { type: "complete" }>,
): Verdict {
  if (job.status !== "running" && job.status !== "testing") return refuse("illegal");
  if (job.finalCheckpointId === null) return refuse("no_final_checkpoint");
  const metadata = {
    step,
    ...(earlyStopped === undefined ? {} : { early_stopped: earlyStopped }),
    ...(bestStep === undefined ? {} : { best_step: bestStep }),
  };
  return allow({ status: "completed", events: [{ type: "completed", metadata }] });
}

function paused(job: JobRecord): Decision {
  if (isLive(job.status)) return { status: job.status, pauseRequested: true, events: [] };
  return { status: "paused", events: job.status === "paused" ? [] : [pausedEvent(job)] };
}

function pausedEvent(job: JobRecord): Decision["events"][number] {
  return { type: "paused", metadata: { attempt: job.task.attempt } };
}

/** A paused job is queued again; a wish that has not taken effect is withdrawn. */
function resumed(job: JobRecord): Verdict {
  if (job.status === "paused") return allow({ status: "queued", events: [{ type: "resumed", metadata: {} }] });
  if (job.pauseRequestedAtMs === null) return refuse("illegal");
  return allow({ status: job.status, pauseRequested: false, events: [] });
}

function ended(reason: FailureReason, message: string, logTail: string[]): Decision {
  const status = statusOfReason(reason);
  const metadata = reason === "cancelled" ? {} : { code: reason, message };
  return { status, reason, reasonMessage: message, logTail, events: [{ type: status, metadata }] };
}

/** A lost attempt whose final checkpoint is already committed, and tested if that was asked for, has left nothing to do. */
function lost(job: JobRecord, command: Extract<JobCommand, { type: "lose" }>, hasUntested: boolean): Decision {
  if (job.finalCheckpointId !== null && !hasUntested && job.status !== "provisioning") {
    return { status: "completed", events: [{ type: "completed", metadata: { after: command.reason } }] };
  }
  const lostInARow = job.lostInARow + (command.reason === "preempted" ? 0 : 1);
  const lostEvent = {
    type: "attempt_lost" as const,
    metadata: { attempt: job.task.attempt, reason: command.reason, message: command.message },
  };
  if (lostInARow >= MAX_LOST_IN_A_ROW) {
    const message = `${String(lostInARow)} attempts in a row were lost without a new checkpoint; the last: ${command.message}`;
    const decision = ended(command.reason, message, command.logTail);
    return { ...decision, lostInARow, events: [lostEvent, ...decision.events] };
  }
  if (job.pauseRequestedAtMs !== null) {
    // Given back as asked, no attempt was lost.
    const isOrderly = command.reason === "preempted";
    return { status: "paused", lostInARow, events: [...(isOrderly ? [] : [lostEvent]), pausedEvent(job)] };
  }
  return { status: "queued", lostInARow, events: [lostEvent, { type: "requeued", metadata: {} }] };
}

/** The attempt that its expiry had counted as lost was not. */
function revived(job: JobRecord, wasRunning: boolean): Decision {
  return {
    status: wasRunning ? "running" : "provisioning",
    lostInARow: Math.max(0, job.lostInARow - 1),
    events: [{ type: wasRunning ? "running" : "provisioning", metadata: { attempt: job.task.attempt, revived: true } }],
  };
}
