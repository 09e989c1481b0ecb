/**
 * How long attempts have held a job, against its `max_duration_seconds`: from claim to the end of each attempt, over all
 * of them. Queued and paused time is not counted, nor what `outageMs` gives back of the present holding.
 */
import type { JobRecord } from "./job";
import { isLive, type JobStatus } from "./job-status";

export function heldAfter(
  job: JobRecord,
  status: JobStatus,
  nowMs: number,
  outageMs: number,
): Pick<JobRecord, "heldMs" | "heldSinceMs"> {
  if (isLive(status)) return { heldMs: job.heldMs, heldSinceMs: job.heldSinceMs ?? nowMs };
  const presentMs = job.heldSinceMs === null ? 0 : Math.max(0, nowMs - job.heldSinceMs - outageMs);
  return { heldMs: job.heldMs + presentMs, heldSinceMs: null };
}

/** When the job will have used up its time; null while nobody holds it, and for one without a bound. */
export function durationDeadlineMs(job: JobRecord, outageMs: number): number | null {
  const seconds = job.spec.max_duration_seconds;
  if (seconds === undefined || job.heldSinceMs === null) return null;
  return Math.ceil(job.heldSinceMs + outageMs + seconds * 1000 - job.heldMs);
}
