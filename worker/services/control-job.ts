/** What people do to a job that has not ended: cancel, pause, resume. Each is a command to its door. */
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { isTerminal } from "../domain/job-state";
import type { JobDoors } from "../domain/ports";

export interface ControlPorts {
  doors: JobDoors;
}

export async function cancelJob(ports: ControlPorts, job: JobRecord): Promise<JobRecord> {
  if (isTerminal(job.status)) {
    throw new DomainError("not_cancellable", `the job has already ended: ${job.status}`);
  }
  return command(ports, job, "cancel");
}

/** One that ends by itself in the meantime has ended all the same. */
export async function cancelLive(ports: ControlPorts, job: JobRecord): Promise<void> {
  try {
    await cancelJob(ports, job);
  } catch (error) {
    const hasEnded = error instanceof DomainError && ["not_cancellable", "illegal_transition"].includes(error.code);
    if (!hasEnded) throw error;
  }
}

/** A queued job is paused at once; one that an agent holds, when the agent has saved its work and given it back. */
export async function pauseJob(ports: ControlPorts, job: JobRecord): Promise<JobRecord> {
  if (job.task.kind === "serve") {
    throw new DomainError("illegal_transition", "a task that serves is not paused: deactivate its engine");
  }
  return command(ports, job, "pause");
}

/** Queues a paused job again, or withdraws a pause that has not taken effect. Throws `illegal_transition` otherwise. */
export async function resumeJob(ports: ControlPorts, job: JobRecord): Promise<JobRecord> {
  return command(ports, job, "resume");
}

/** The version in the key makes a second command a new one, and the retry of this one a repeat. */
function command({ doors }: ControlPorts, job: JobRecord, type: "cancel" | "pause" | "resume"): Promise<JobRecord> {
  return doors.of(job.id).command({ type }, `${type} ${String(job.version)}`);
}
