/** Training sessions and the runs that they have picked. Whether a change may be made is in its own statement. */
import { and, asc, desc, eq, gt, isNull, lte, type SQL, sql } from "drizzle-orm";
import type { SQLiteUpdateSetSource } from "drizzle-orm/sqlite-core";
import { shardOf } from "../domain/ids";
import type { Change, OffsetPage, SessionFilter, TrainingSessionStore } from "../domain/session-ports";
import {
  BUILD_TIMEOUT_MS,
  SESSION_STATUS_OF,
  type TrainingSession,
  type TrainingSessionRecord,
} from "../domain/training-sessions";
import type { Database, Databases } from "./database";
import { environments, jobs, trainingSessionRuns, trainingSessions } from "./schema";
import { selectSessions, sessionsJob, toSession } from "./session-rows";

/** As ids of one statement, which has at most 2 MB; and as rows of one answer. */
const IDS_AT_ONCE = 10_000;

export class D1TrainingSessionStore implements TrainingSessionStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(session: TrainingSessionRecord): Promise<void> {
    await this.#db(session.id).insert(trainingSessions).values(session);
  }

  async get(accountId: string, id: string): Promise<TrainingSession | null> {
    const mine = and(eq(trainingSessions.id, id), eq(trainingSessions.accountId, accountId));
    const row = await selectSessions(this.#db(accountId), mine).get();
    return row ? toSession(row) : null;
  }

  async list(filter: SessionFilter, page: OffsetPage, nowMs: number): Promise<TrainingSession[]> {
    const rows = await selectSessions(this.#db(filter.accountId), matches(filter, nowMs))
      .orderBy(desc(trainingSessions.id))
      .limit(page.limit)
      .offset(page.offset);
    return rows.map(toSession);
  }

  async names(filter: SessionFilter, page: OffsetPage, nowMs: number): Promise<{ id: string; name: string }[]> {
    return this.#db(filter.accountId)
      .select({ id: trainingSessions.id, name: trainingSessions.name })
      .from(trainingSessions)
      .innerJoin(environments, eq(environments.id, trainingSessions.environmentId))
      .leftJoin(jobs, sessionsJob)
      .where(matches(filter, nowMs))
      .orderBy(desc(trainingSessions.id))
      .limit(page.limit)
      .offset(page.offset);
  }

  async runIds(sessionId: string): Promise<string[]> {
    const ids: string[] = [];
    for (let last = 0; ; last = ids.length) {
      const rows = await this.#db(sessionId)
        .select({ runId: trainingSessionRuns.runId })
        .from(trainingSessionRuns)
        .where(and(eq(trainingSessionRuns.sessionId, sessionId), gt(trainingSessionRuns.n, last)))
        .orderBy(asc(trainingSessionRuns.n))
        .limit(IDS_AT_ONCE);
      for (const { runId } of rows) ids.push(runId);
      if (rows.length < IDS_AT_ONCE) return ids;
    }
  }

  async countRuns(sessionId: string): Promise<number> {
    const highest = sql<number>`coalesce(max(${trainingSessionRuns.n}), 0)`;
    const row = await this.#db(sessionId)
      .select({ highest })
      .from(trainingSessionRuns)
      .where(eq(trainingSessionRuns.sessionId, sessionId))
      .get();
    return row?.highest ?? 0;
  }

  async addRuns(sessionId: string, runIds: string[], change: Change): Promise<boolean> {
    const db = this.#db(sessionId);
    const mayChange = sql`EXISTS (SELECT 1 FROM training_sessions WHERE id = ${sessionId} AND ${changeable(change.nowMs)})`;
    const inserts = [];
    for (let at = 0; at < runIds.length; at += IDS_AT_ONCE) {
      const ids = JSON.stringify(runIds.slice(at, at + IDS_AT_ONCE));
      // The columns in the order of the schema, as drizzle names them.
      inserts.push(
        db.insert(trainingSessionRuns)
          .select(sql`SELECT ${sessionId}, sent.value, row_number() OVER (ORDER BY sent.first) +
            (SELECT coalesce(max(n), 0) FROM training_session_runs WHERE session_id = ${sessionId})
          FROM (SELECT value, min(key) AS first FROM json_each(${ids}) GROUP BY value) sent
          WHERE ${mayChange} AND NOT EXISTS (
            SELECT 1 FROM training_session_runs WHERE session_id = ${sessionId} AND run_id = sent.value)`),
      );
    }
    const changed = db
      .update(trainingSessions)
      .set(written(change))
      .where(and(eq(trainingSessions.id, sessionId), changeable(change.nowMs)))
      .returning({ id: trainingSessions.id });
    const [rows] = await db.batch([changed, ...inserts]);
    return rows.length > 0;
  }

  async beginBuild(sessionId: string, change: Change): Promise<boolean> {
    return this.#update(sessionId, { ...written(change), buildingSinceMs: change.nowMs }, changeable(change.nowMs));
  }

  async endBuild(
    sessionId: string,
    begunAtMs: number,
    built: { datasetId: string; rows: number; skippedRuns: number },
    change: Change,
  ): Promise<boolean> {
    const { datasetId, rows, skippedRuns } = built;
    const prepared = { datasetId, builtDatasetId: datasetId, builtRows: rows, skippedRuns, jobId: null };
    const set = { ...written(change), ...prepared, buildingSinceMs: null };
    return this.#update(sessionId, set, eq(trainingSessions.buildingSinceMs, begunAtMs));
  }

  async dropBuild(sessionId: string, begunAtMs: number): Promise<void> {
    await this.#update(sessionId, { buildingSinceMs: null }, eq(trainingSessions.buildingSinceMs, begunAtMs));
  }

  async setDataset(sessionId: string, datasetId: string, nowMs: number, by?: string): Promise<boolean> {
    const set = { ...written({ by, nowMs }), datasetId, jobId: null };
    return this.#update(sessionId, set, noJobThatCounts);
  }

  async attachJob(session: TrainingSession, jobId: string, change: Change): Promise<boolean> {
    // A build that was given up must find that it is no longer the session's.
    const set = { ...written(change), jobId, buildingSinceMs: null };
    return this.#update(session.id, set, eq(trainingSessions.updatedAtMs, session.updatedAtMs));
  }

  async #update(
    sessionId: string,
    set: SQLiteUpdateSetSource<typeof trainingSessions>,
    guard: SQL | undefined,
  ): Promise<boolean> {
    const changed = await this.#db(sessionId)
      .update(trainingSessions)
      .set(set)
      .where(and(eq(trainingSessions.id, sessionId), guard))
      .returning({ id: trainingSessions.id });
    return changed.length > 0;
  }
}

function written({ by, nowMs }: { by?: string | undefined; nowMs: number }) {
  return {
    updatedAtMs: sql<number>`max(${nowMs}, ${trainingSessions.updatedAtMs} + 1)`,
    ...(by === undefined ? {} : { updatedBy: by }),
  };
}

/** Of `sessionStatus` (domain/training-sessions.ts), in SQL: pages of one status are filled by the statement. */
function matches({ accountId, projectId, status }: SessionFilter, nowMs: number): SQL | undefined {
  const mine = and(eq(trainingSessions.accountId, accountId), eq(trainingSessions.projectId, projectId));
  if (status === undefined) return mine;
  const derived = sql`CASE
    WHEN ${trainingSessions.buildingSinceMs} > ${nowMs - BUILD_TIMEOUT_MS} THEN 'building'
    WHEN ${jobs.status} IS NOT NULL THEN json_extract(${JSON.stringify(SESSION_STATUS_OF)}, '$.' || ${jobs.status})
    WHEN ${trainingSessions.datasetId} IS NOT NULL THEN 'prepared'
    ELSE 'created' END`;
  return and(mine, sql`${derived} = ${status}`);
}

/** Its job has neither completed nor is it on its way. */
const noJobThatCounts = sql`NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = training_sessions.job_id
  AND jobs.deleted_at_ms IS NULL AND jobs.status NOT IN ('failed', 'timed_out', 'cancelled'))`;

function changeable(nowMs: number): SQL | undefined {
  const { buildingSinceMs } = trainingSessions;
  const building = sql`(${isNull(buildingSinceMs)} OR ${lte(buildingSinceMs, nowMs - BUILD_TIMEOUT_MS)})`;
  return and(building, noJobThatCounts);
}
