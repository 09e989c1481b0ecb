/** Rows of `training_sessions` joined with their environment and their job ⇄ the domain's session. */
import { and, eq, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { JobStatus } from "../domain/job-status";
import type { TrainingSession } from "../domain/training-sessions";
import type { Database } from "./database";
import { environments, jobs, trainingSessions } from "./schema";

/** Every column has a name of its own: D1's batches answer with objects. */
const joinedSession = {
  ...getTableColumns(trainingSessions),
  jobStatus: sql<JobStatus | null>`${jobs.status}`.as("job_status"),
  environmentName: sql<string>`${environments.name}`.as("environment_name"),
  environmentProvider: sql<string>`${environments.provider}`.as("environment_provider"),
};

export function selectSessions(db: Database, condition: SQL | undefined) {
  return db
    .select(joinedSession)
    .from(trainingSessions)
    .innerJoin(environments, eq(environments.id, trainingSessions.environmentId))
    .leftJoin(jobs, eq(jobs.id, trainingSessions.jobId))
    .where(and(condition));
}

export function toSession(row: Awaited<ReturnType<typeof selectSessions>>[number]): TrainingSession {
  const { environmentName: name, environmentProvider: provider, ...session } = row;
  return { ...session, environment: { id: session.environmentId, name, provider } };
}
