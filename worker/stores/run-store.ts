/** Runs in D1: written by the thousand, as one JSON parameter of a statement. */
import { and, asc, count, desc, eq, gt, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { FIRST_SHARD } from "../domain/ids";
import { MAX_BODIES_BYTES, type RunOwner, type RunStore, type TrainingRun } from "../domain/run-ports";
import type {
  FacetBucket,
  ListedRun,
  RetrievedRun,
  RunBody,
  RunFacet,
  RunFilter,
  RunPage,
  RunRecord,
} from "../domain/runs";
import type { Database, Databases } from "./database";
import { listed, ownedRuns, runsMatching, seenRuns } from "./run-filters";
import { insertedRuns } from "./run-inserts";
import { selectListed, selectRuns, toListed, toRun } from "./run-rows";
import { environments, runs, trainingSessionRuns } from "./schema";

/** A facet answers with so many values. */
const MAX_BUCKETS = 100;

const FACET_COLUMNS = {
  environment: runs.environmentId,
  interaction: runs.interaction,
  modelId: runs.model,
  status: runs.status,
  finish_reason: runs.finishReason,
} as const;

const ORDER_COLUMNS = {
  created_at: runs.createdAtMs,
  updated_at: runs.updatedAtMs,
  execution_time: runs.executionTimeMs,
} as const;

/** The bytes of the bodies of the rows before this one. */
function bytesBefore(order: SQLiteColumn): SQL<number> {
  return sql<number>`sum(${runs.bodyBytes}) OVER (ORDER BY ${order}) - ${runs.bodyBytes}`;
}

export class D1RunStore implements RunStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async add(added: RunRecord[]): Promise<void> {
    await this.#db.batch(insertedRuns(this.#db, added));
  }

  async list(owner: RunOwner, filter: RunFilter, page: RunPage): Promise<ListedRun[]> {
    const { by, direction } = page.order ?? { by: "created_at", direction: "desc" };
    const inDirection = direction === "asc" ? asc : desc;
    // Ids follow the time of the import, which is what an index has the order of.
    const order = page.order === undefined ? [desc(runs.id)] : [inDirection(ORDER_COLUMNS[by]), inDirection(runs.id)];
    const rows = await selectListed(this.#db)
      .where(runsMatching(owner, filter))
      .orderBy(...order)
      .limit(page.limit)
      .offset(page.offset);
    return rows.map(toListed);
  }

  async bodies(owner: RunOwner, ids: string[]): Promise<Map<string, RunBody>> {
    const wanted = this.#db
      .select({ id: runs.id, before: bytesBefore(runs.id).as("before") })
      .from(runs)
      .where(and(ownedRuns(owner), sql`${runs.id} IN ${listed(ids)}`))
      .as("wanted");
    const rows = await this.#db
      .select({ id: runs.id, body: runs.body })
      .from(wanted)
      .innerJoin(runs, eq(runs.id, wanted.id))
      .where(sql`${wanted.before} <= ${MAX_BODIES_BYTES}`);
    return new Map(rows.map(({ id, body }) => [id, body]));
  }

  async facets(
    owner: RunOwner,
    filter: RunFilter,
    facets: RunFacet[],
  ): Promise<{ total: number; buckets: Map<RunFacet, FacetBucket[]> }> {
    const matching = runsMatching(owner, filter);
    const total = this.#db.select({ total: count() }).from(runs).where(matching);
    const counts = facets.map((facet) => this.#buckets(facet, matching));
    const [totals, ...rows] = await this.#db.batch([total, ...counts] as [typeof total, ...BatchItem<"sqlite">[]]);
    return {
      total: totals[0]?.total ?? 0,
      buckets: new Map(facets.map((facet, n) => [facet, rows[n] as unknown as FacetBucket[]])),
    };
  }

  #buckets(facet: RunFacet, matching: SQL | undefined) {
    const column = FACET_COLUMNS[facet];
    return this.#db
      .select({ value: sql<string | null>`${column}`.as("value"), count: count().as("count") })
      .from(runs)
      .where(matching)
      .groupBy(column)
      .orderBy(desc(count()), asc(column))
      .limit(MAX_BUCKETS);
  }

  async get(owner: RunOwner, id: string): Promise<RetrievedRun | null> {
    const [row] = await selectRuns(this.#db, and(seenRuns(owner), eq(runs.id, id)));
    return row === undefined ? null : toRun(row);
  }

  async existing(accountId: string, projectId: string, ids: string[]): Promise<string[]> {
    const rows = await this.#db
      .select({ id: runs.id })
      .from(runs)
      .where(and(seenRuns({ accountId, projectId }), sql`${runs.id} IN ${listed(ids)}`));
    return rows.map(({ id }) => id);
  }

  async environments({ accountId, projectId }: RunOwner, ids: string[]): Promise<string[]> {
    const allowed = environments.allowedProjects;
    const mayUse = sql`(${allowed} = '[]' OR ${projectId} IN (SELECT value FROM json_each(${allowed})))`;
    const rows = await this.#db
      .select({ id: environments.id })
      .from(environments)
      .where(and(eq(environments.accountId, accountId), sql`${environments.id} IN ${listed(ids)}`, mayUse));
    return rows.map(({ id }) => id);
  }

  async ofSession(sessionId: string, page: { limit: number; offset: number }): Promise<ListedRun[]> {
    const rows = await selectListed(this.#db)
      .innerJoin(trainingSessionRuns, eq(trainingSessionRuns.runId, runs.id))
      .where(eq(trainingSessionRuns.sessionId, sessionId))
      .orderBy(asc(trainingSessionRuns.n))
      .limit(page.limit)
      .offset(page.offset);
    return rows.map(toListed);
  }

  async forTraining(sessionId: string, afterN: number, limit: number): Promise<TrainingRun[]> {
    const added = trainingSessionRuns;
    const next = this.#db
      .select({ n: added.n, runId: added.runId })
      .from(added)
      .where(and(eq(added.sessionId, sessionId), gt(added.n, afterN)))
      .orderBy(asc(added.n))
      .limit(limit)
      .as("next");
    const sized = this.#db
      .select({ n: next.n, runId: next.runId, before: bytesBefore(next.n).as("before") })
      .from(next)
      .innerJoin(runs, eq(runs.id, next.runId))
      .as("sized");
    return this.#db
      .select({ n: sized.n, id: runs.id, status: runs.status, hasResult: runs.hasResult, body: runs.body })
      .from(sized)
      .innerJoin(runs, eq(runs.id, sized.runId))
      .where(sql`${sized.before} <= ${MAX_BODIES_BYTES}`)
      .orderBy(asc(sized.n));
  }
}
