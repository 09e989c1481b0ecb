/** Training sessions and their jobs in the dialect's words. Pure, and total over the domain's statuses. */
import type { z } from "@hono/zod-openapi";
import { parseId } from "../../domain/ids";
import type { JobStatus } from "../../domain/job-state";
import type { SessionJob, SessionStatus, TrainingSession } from "../../domain/training-sessions";
import type { DatasetName } from "../../services/training-services";
import { PREFIX } from "./schema";
import type { TrainingJobStatus, trainingJob, trainingSession, trainingSessionRefs } from "./training-schema";
import { audit, fromEnvironmentRef, iso, projectId } from "./words";

export function jobStatusWord(status: JobStatus): TrainingJobStatus {
  switch (status) {
    case "queued":
    case "paused":
    case "provisioning":
      return "pending";
    case "running":
    case "testing":
      return "running";
    case "completed":
    case "cancelled":
      return status;
    case "failed":
    case "timed_out":
      return "failed";
  }
}

export function fromJob(job: SessionJob): z.input<typeof trainingJob> {
  const details = detailsOf(job);
  return {
    id: job.id,
    status: jobStatusWord(job.status),
    ...(details === null ? {} : { details }),
    ...(job.status === "completed" ? { model: PREFIX.job + job.id } : {}),
    created_at: iso(job.createdAtMs),
    updated_at: iso(job.updatedAtMs),
  };
}

/** Our own status where the word hides it; of a failed one the reason. */
function detailsOf({ status, reason, reasonMessage }: SessionJob): string | null {
  if (reason !== null) return reasonMessage === null ? reason : `${reason}: ${reasonMessage}`;
  return status === jobStatusWord(status) ? null : status;
}

type Ref = z.input<typeof trainingSessionRefs>[number];

export function fromSessionRef(session: TrainingSession, status: SessionStatus): Ref {
  return { ...head(session, status), ...tail(session) };
}

export function fromSession(
  session: TrainingSession,
  status: SessionStatus,
  runs: string[],
): z.input<typeof trainingSession> {
  return { ...head(session, status), runs, ...tail(session) };
}

function head(session: TrainingSession, status: SessionStatus) {
  return {
    id: session.id,
    project: projectId(session.projectId),
    name: session.name,
    env: fromEnvironmentRef(session.environment),
    model: session.model,
    status,
  };
}

function tail(session: TrainingSession) {
  return {
    dataset: session.datasetId === null ? null : PREFIX.dataset + session.datasetId,
    job: session.job === null ? {} : fromJob(session.job),
    ...audit(session),
  };
}

export function toDatasetName(name: string): DatasetName {
  if (name === "default") return name;
  const id = parseId(PREFIX.dataset, name);
  return id === null ? { name } : { id };
}
