/** Grants the job's task to an agent, in the job's object. The same claim id gets the same lease. */
import { DomainError } from "../domain/errors";
import type { JobCommand } from "../domain/job-state";
import type { ClaimedTask, JobLocal } from "../domain/ports";
import type { JobDoor } from "./job-door";

export async function claimTask(
  { local, door }: { local: JobLocal; door: JobDoor },
  agentId: string,
  claimId: string,
  command: Extract<JobCommand, { type: "claim" }>,
): Promise<ClaimedTask> {
  const job = await door.transition(command, `${agentId} ${claimId}`);
  const lease = local.lease();
  // A repeated claim id whose lease has been lost since: the job has moved on.
  if (!lease || lease.agentId !== agentId || lease.epoch !== job.task.epoch || lease.state !== "live") {
    throw new DomainError("stale_lease", "the task has been leased again since");
  }
  return { job, expiresAtMs: lease.expiresAtMs, logBytes: local.logBytes() };
}
