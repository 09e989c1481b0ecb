/** Rows of `training_sessions` joined with their environment and their job ⇄ the domain's session. */
import { and, eq, getTableColumns, isNull, type SQL, sql } from "drizzle-orm";
import type { SessionJob, TrainingSession } from "../domain/training-sessions";
import type { Database } from "./database";
import { environments, jobs, trainingSessions } from "./schema";

/** Every column has a name of its own: D1's batches answer with objects. */
const joinedSession = {
  ...getTableColumns(trainingSessions),
  environmentName: sql<string>`${environments.name}`.as("environment_name"),
  environmentProvider: sql<string>`${environments.provider}`.as("environment_provider"),
  jobStatus: sql<SessionJob["status"] | null>`${jobs.status}`.as("job_status"),
  jobReason: sql<SessionJob["reason"]>`${jobs.reason}`.as("job_reason"),
  jobReasonMessage: sql<string | null>`${jobs.reasonMessage}`.as("job_reason_message"),
  jobCreatedAtMs: sql<number | null>`${jobs.createdAtMs}`.as("job_created_at_ms"),
  jobUpdatedAtMs: sql<number | null>`${jobs.updatedAtMs}`.as("job_updated_at_ms"),
};

/** A job that was deleted is none. */
export const sessionsJob = and(eq(jobs.id, trainingSessions.jobId), isNull(jobs.deletedAtMs));

export function selectSessions(db: Database, condition: SQL | undefined) {
  return db
    .select(joinedSession)
    .from(trainingSessions)
    .innerJoin(environments, eq(environments.id, trainingSessions.environmentId))
    .leftJoin(jobs, sessionsJob)
    .where(and(condition));
}

export function toSession(row: Awaited<ReturnType<typeof selectSessions>>[number]): TrainingSession {
  const { environmentName: name, environmentProvider: provider, ...rest } = row;
  const { jobStatus, jobReason, jobReasonMessage, jobCreatedAtMs, jobUpdatedAtMs, ...session } = rest;
  const job: SessionJob | null =
    session.jobId === null || jobStatus === null
      ? null
      : {
          id: session.jobId,
          status: jobStatus,
          reason: jobReason,
          reasonMessage: jobReasonMessage,
          createdAtMs: jobCreatedAtMs ?? 0,
          updatedAtMs: jobUpdatedAtMs ?? 0,
        };
  return { ...session, job, environment: { id: session.environmentId, name, provider } };
}
