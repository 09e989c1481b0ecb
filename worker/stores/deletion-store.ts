/**
 * What people delete is marked at once, in one guarded update, and nobody sees it from then on; the sweep comes for its
 * bytes and then for its rows. Nothing is marked that a job needs which has not ended.
 */
import { and, asc, eq, inArray, isNotNull, isNull, sql, type SQL } from "drizzle-orm";
import type { Deletable, DeletionStore, Marked } from "../domain/deletion-ports";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { Database, Databases } from "./database";
import {
  apiKeys,
  checkpoints,
  datasets,
  deployments,
  engines,
  functions,
  jobEvents,
  jobs,
  projects,
  moduleSessions,
  runs,
  runTags,
  tasks,
  trainingSessionRuns,
  trainingSessions,
} from "./schema";

const NOT_ENDED = sql`('queued', 'provisioning', 'running', 'testing', 'paused')`;

export class D1DeletionStore implements DeletionStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  async liveUser(what: Deletable): Promise<string | null> {
    const rows = await this.#databases(shardOf(what.id)).all<{ id: string }>(liveUsers(what));
    return rows[0]?.id ?? null;
  }

  async server(what: Deletable): Promise<{ kind: "engine" | "deployment"; name: string } | null> {
    const [row] = await this.#databases(shardOf(what.id)).all<{ kind: "engine" | "deployment"; name: string }>(
      servers(what),
    );
    return row ?? null;
  }

  async liveKey(projectId: string): Promise<string | null> {
    const where = and(eq(apiKeys.projectId, projectId), isNull(apiKeys.revokedAtMs));
    const key = await this.#databases(shardOf(projectId))
      .select({ name: apiKeys.name })
      .from(apiKeys)
      .where(where)
      .get();
    return key?.name ?? null;
  }

  async mark(what: Deletable, nowMs: number): Promise<boolean> {
    const db = this.#databases(shardOf(what.id));
    const free = sql`NOT EXISTS (${liveUsers(what)}) AND NOT EXISTS (${servers(what)})`;
    const deleted = { deletedAtMs: nowMs };
    switch (what.kind) {
      case "dataset": {
        const where = and(eq(datasets.id, what.id), isNull(datasets.deletedAtMs), free);
        return (await db.update(datasets).set(deleted).where(where).returning({ id: datasets.id })).length > 0;
      }
      case "function": {
        const where = and(eq(functions.id, what.id), isNull(functions.deletedAtMs), free);
        return (await db.update(functions).set(deleted).where(where).returning({ id: functions.id })).length > 0;
      }
      case "job": {
        const where = and(eq(jobs.id, what.id), isNull(jobs.deletedAtMs), free);
        return (await db.update(jobs).set(deleted).where(where).returning({ id: jobs.id })).length > 0;
      }
      case "project": {
        const noKey = sql`NOT EXISTS (SELECT 1 FROM api_keys WHERE project_id = ${what.id} AND revoked_at_ms IS NULL)`;
        const where = and(eq(projects.id, what.id), isNull(projects.deletedAtMs), free, noKey);
        const project = db.update(projects).set(deleted).where(where).returning({ id: projects.id });
        const [marked] = await db.batch([project, ...markContents(db, what, nowMs)]);
        return marked.length > 0;
      }
    }
  }

  async marked(limit: number): Promise<Marked[]> {
    const db = this.#databases(FIRST_SHARD);
    const [ofDatasets, ofFunctions, ofJobs, ofProjects] = await db.batch([
      db
        .select({ id: datasets.id, accountId: datasets.accountId, r2Key: datasets.r2Key })
        .from(datasets)
        .where(isNotNull(datasets.deletedAtMs))
        .orderBy(asc(datasets.deletedAtMs))
        .limit(limit),
      db
        .select({ id: functions.id, accountId: functions.accountId, r2Key: functions.r2Key })
        .from(functions)
        .where(isNotNull(functions.deletedAtMs))
        .orderBy(asc(functions.deletedAtMs))
        .limit(limit),
      db
        .select({ id: jobs.id, accountId: jobs.accountId })
        .from(jobs)
        .where(isNotNull(jobs.deletedAtMs))
        .orderBy(asc(jobs.deletedAtMs))
        .limit(limit),
      db
        .select({ id: projects.id, accountId: projects.accountId })
        .from(projects)
        .where(isNotNull(projects.deletedAtMs))
        .orderBy(asc(projects.deletedAtMs))
        .limit(limit),
    ]);
    return [
      ...ofDatasets.map((row) => ({ kind: "dataset" as const, ...row })),
      ...ofFunctions.map((row) => ({ kind: "function" as const, ...row })),
      ...ofJobs.map((row) => ({ kind: "job" as const, ...row })),
      ...ofProjects.map((row) => ({ kind: "project" as const, ...row })),
    ];
  }

  async erase(what: Deletable, nowMs: number): Promise<void> {
    const db = this.#databases(shardOf(what.id));
    switch (what.kind) {
      case "dataset":
        await db.delete(datasets).where(eq(datasets.id, what.id));
        return;
      case "function":
        await db.delete(functions).where(eq(functions.id, what.id));
        return;
      case "job":
        await db.batch([
          db.delete(jobEvents).where(eq(jobEvents.jobId, what.id)),
          db.delete(checkpoints).where(eq(checkpoints.jobId, what.id)),
          db.delete(tasks).where(eq(tasks.id, what.id)),
          db.delete(jobs).where(eq(jobs.id, what.id)),
        ]);
        return;
      case "project":
        await db.batch([...markContents(db, what, nowMs), ...eraseContents(db, what), eraseIfEmpty(db, what)]);
    }
  }
}

/** As many rows of each table go at a time. */
const ROWS_AT_ONCE = 10_000;

/** What of a project has rows alone: its runs and its sessions. */
function eraseContents(db: Database, { accountId, id }: Deletable) {
  const sessions = sql`SELECT id FROM training_sessions WHERE account_id = ${accountId} AND project_id = ${id}`;
  return [
    db.delete(trainingSessionRuns).where(
      sql`(session_id, run_id) IN (SELECT session_id, run_id FROM training_session_runs
        WHERE session_id IN (${sessions}) LIMIT ${ROWS_AT_ONCE})`,
    ),
    db.delete(trainingSessions).where(
      sql`id IN (${sessions}) AND NOT EXISTS (
        SELECT 1 FROM training_session_runs WHERE session_id = training_sessions.id)`,
    ),
    db.delete(runTags).where(
      sql`(project_id, tag, run_id) IN (
        SELECT project_id, tag, run_id FROM run_tags WHERE project_id = ${id} LIMIT ${ROWS_AT_ONCE})`,
    ),
    db.delete(moduleSessions).where(and(eq(moduleSessions.accountId, accountId), eq(moduleSessions.projectId, id))),
    // Nothing of it is served when it is marked: these are over.
    db.delete(deployments).where(and(eq(deployments.accountId, accountId), eq(deployments.projectId, id))),
    db.delete(engines).where(and(eq(engines.accountId, accountId), eq(engines.projectId, id))),
    db
      .delete(runs)
      .where(
        sql`id IN (SELECT id FROM runs WHERE account_id = ${accountId} AND project_id = ${id} LIMIT ${ROWS_AT_ONCE})`,
      ),
  ] as const;
}

/** Not before the next round what is still in it, or was made in it in the very moment in which it was marked. */
function eraseIfEmpty(db: Database, { accountId, id }: Deletable) {
  const tables = ["datasets", "jobs", "functions", "training_sessions", "module_sessions", "runs"].map((table) =>
    sql.raw(table),
  );
  const empty = tables.map(
    (table) => sql`NOT EXISTS (SELECT 1 FROM ${table} WHERE account_id = ${accountId} AND project_id = ${id})`,
  );
  const noTags = sql`NOT EXISTS (SELECT 1 FROM run_tags WHERE project_id = ${id})`;
  return db.delete(projects).where(and(eq(projects.id, id), ...empty, noTags));
}

/** Everything of a project that is marked goes with it; a job that has not ended waits for its end. */
function markContents(db: Database, { accountId, id }: Deletable, nowMs: number) {
  const isMarked = sql`EXISTS (SELECT 1 FROM projects WHERE id = ${id} AND deleted_at_ms IS NOT NULL)`;
  const deleted = { deletedAtMs: nowMs };
  const ofOwner = (table: typeof datasets | typeof functions | typeof jobs | typeof moduleSessions): SQL | undefined =>
    and(eq(table.accountId, accountId), eq(table.projectId, id));
  const ofProject = (table: typeof datasets | typeof functions | typeof jobs): SQL | undefined =>
    and(ofOwner(table), isNull(table.deletedAtMs), isMarked);
  return [
    db.update(datasets).set(deleted).where(ofProject(datasets)),
    db.update(functions).set(deleted).where(ofProject(functions)),
    db
      .update(moduleSessions)
      .set({ endedAtMs: nowMs })
      .where(and(ofOwner(moduleSessions), isNull(moduleSessions.endedAtMs), isMarked)),
    db
      .update(jobs)
      .set(deleted)
      .where(and(ofProject(jobs), inArray(jobs.status, ["completed", "failed", "timed_out", "cancelled"]))),
  ] as const;
}

/** Jobs of the account that have not ended and need it: at most one. */
function liveUsers({ accountId, ...what }: Deletable): SQL {
  return sql`SELECT j.id FROM jobs j
    WHERE j.account_id = ${accountId} AND j.status IN ${NOT_ENDED} AND (${needs(accountId, what)}) LIMIT 1`;
}

/** What serves a job's model, or is in a project or serves a model of it: at most one. */
function servers({ accountId, kind, id }: Deletable): SQL {
  const deployed = sql`SELECT 'deployment' AS kind, d.name AS name FROM deployments d
    WHERE d.account_id = ${accountId} AND d.state <> 'terminated' AND d.deleted_at_ms IS NULL`;
  switch (kind) {
    case "dataset":
    case "function":
      return sql`SELECT NULL AS kind, NULL AS name WHERE 0`;
    case "job":
      return sql`${deployed} AND d.job_id = ${id} AND d.checkpoint > 0 LIMIT 1`;
    case "project": {
      const jobsOf = sql`SELECT id FROM jobs WHERE account_id = ${accountId} AND project_id = ${id}`;
      return sql`${deployed} AND (d.project_id = ${id} OR (d.job_id IN (${jobsOf}) AND d.checkpoint > 0))
        UNION ALL SELECT 'engine', e.name FROM engines e
        WHERE e.account_id = ${accountId} AND e.project_id = ${id} AND e.deleted_at_ms IS NULL LIMIT 1`;
    }
  }
}

function needs(accountId: string, { kind, id }: Pick<Deletable, "kind" | "id">): SQL {
  switch (kind) {
    case "dataset":
      return usesDataset(sql`(${id})`);
    case "function":
      return usesFunction(sql`(${id})`);
    case "job":
      return sql`j.id = ${id} OR ${buildsOn(sql`(${id})`)}`;
    case "project": {
      const of = sql`account_id = ${accountId} AND project_id = ${id}`;
      return sql`j.project_id = ${id} OR ${usesDataset(sql`(SELECT id FROM datasets WHERE ${of})`)}
        OR ${usesFunction(sql`(SELECT id FROM functions WHERE ${of})`)} OR ${buildsOn(sql`(SELECT id FROM jobs WHERE ${of})`)}`;
    }
  }
}

function usesDataset(ids: SQL): SQL {
  return sql`(j.dataset_id IN ${ids} OR json_extract(j.spec, '$.eval.dataset_id') IN ${ids}
    OR json_extract(j.spec, '$.test.dataset_id') IN ${ids})`;
}

function usesFunction(ids: SQL): SQL {
  const named = (path: string): SQL =>
    sql`EXISTS (SELECT 1 FROM json_each(j.spec, ${path}) f WHERE json_extract(f.value, '$.id') IN ${ids})`;
  return sql`(${named("$.functions")} OR ${named("$.test.functions")})`;
}

function buildsOn(ids: SQL): SQL {
  return sql`(json_extract(j.base_model_ref, '$.job_id') IN ${ids} OR j.start_job_id IN ${ids})`;
}
