/** A job's statuses and where each may lead (DESIGN §3). */

export const JOB_STATUSES = [
  "queued",
  "provisioning",
  "running",
  "testing",
  "paused",
  "completed",
  "failed",
  "timed_out",
  "cancelled",
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** Where a job may go from each status. `queued → running` is only the revival of an expired, unclaimed lease. */
export const MOVES: Record<JobStatus, readonly JobStatus[]> = {
  queued: ["provisioning", "running", "paused", "failed", "timed_out", "cancelled"],
  provisioning: ["running", "queued", "paused", "failed", "timed_out", "cancelled"],
  running: ["testing", "completed", "queued", "paused", "failed", "timed_out", "cancelled"],
  testing: ["completed", "queued", "paused", "failed", "timed_out", "cancelled"],
  paused: ["queued", "failed", "timed_out", "cancelled"],
  completed: [],
  failed: [],
  timed_out: [],
  cancelled: [],
};

export const LIVE_STATUSES = ["provisioning", "running", "testing"] as const;

export const UNENDED_STATUSES = JOB_STATUSES.filter((status) => !isTerminal(status));

export function isTerminal(status: JobStatus): boolean {
  return MOVES[status].length === 0;
}

export function isLive(status: JobStatus): boolean {
  return (LIVE_STATUSES as readonly JobStatus[]).includes(status);
}
