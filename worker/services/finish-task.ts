/** The end of a lease, in the job's object: finished, failed, or given back. Safe to repeat. */
import type { FinishRequest, ReleaseRequest } from "../../protocol";
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { isRetried, type JobCommand } from "../domain/job-state";
import type { JobLocal } from "../domain/ports";
import type { JobDoor } from "./job-door";
import type { TaskReports } from "./report-task";

export interface FinishPorts {
  local: JobLocal;
  door: JobDoor;
  reports: TaskReports;
}

export async function finishTask(
  ports: FinishPorts,
  agentId: string,
  epoch: number,
  request: FinishRequest,
): Promise<JobRecord> {
  return endTask(ports, agentId, epoch, finishCommand(epoch, request), "finish");
}

export async function releaseTask(
  ports: FinishPorts,
  agentId: string,
  epoch: number,
  request: ReleaseRequest,
): Promise<JobRecord> {
  const { reason, message } = request;
  return endTask(ports, agentId, epoch, { type: "lose", epoch, reason, message, logTail: [] }, "release");
}

function finishCommand(epoch: number, request: FinishRequest): JobCommand | null {
  switch (request.outcome) {
    case "completed": {
      const { step, early_stopped: earlyStopped, best_step: bestStep } = request;
      return { type: "complete", epoch, step, earlyStopped, bestStep };
    }
    case "failed": {
      const { reason, message, log_tail: logTail } = request;
      return { type: isRetried(reason) ? "lose" : "fail", epoch, reason, message, logTail };
    }
    case "cancelled":
      return null;
  }
}

/** `command` null: the agent has only tidied up after a job that somebody else ended. */
async function endTask(
  { local, door, reports }: FinishPorts,
  agentId: string,
  epoch: number,
  command: JobCommand | null,
  word: string,
): Promise<JobRecord> {
  const lease = local.lease();
  if (lease?.epoch !== epoch || lease.agentId !== agentId) {
    throw new DomainError("stale_lease", "this lease is no longer yours; end the task and change nothing");
  }
  const key = `${word} ${String(epoch)}`;
  // After an outage the last word may come before the heartbeat that would have revived the lease. A word that was taken
  // before has the first answer, and revives nothing.
  const isRepeat = command !== null && (await door.hasCommitted(command, key));
  if (lease.state === "expired" && !isRepeat) await reports.live(lease);
  return door.finish(epoch, command, key);
}
