/** Engines in D1. Their own objects alone change them (services/engine-door.ts), guarded by the version. */
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt, lte, ne, type SQL } from "drizzle-orm";
import { DomainError } from "../domain/errors";
import type { DeploymentRecord, EngineRecord } from "../domain/engines";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { EngineChange, EngineFilter, EngineStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { toEngine } from "./engine-rows";
import { pageLimit, toPage } from "./paging";
import { deployments, engines } from "./schema";

/** An object looks after itself by its alarm; the sweep is for one that was lost. */
const SWEEP_EVERY_MS = 5 * 60_000;
/** A new engine's object has not been called yet. */
const FIRST_SWEEP_MS = 30_000;

export class D1EngineStore implements EngineStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(engine: EngineRecord, deployment: DeploymentRecord | null): Promise<void> {
    const db = this.#db(engine.id);
    const insert = db.insert(engines).values({ ...engine, sweepAfterMs: sweptAt(engine, FIRST_SWEEP_MS) });
    try {
      if (deployment) await db.batch([insert, db.insert(deployments).values(deployment)]);
      else await insert;
    } catch (error) {
      const taken = await this.#taken(db, engine, deployment);
      throw taken ?? error;
    }
  }

  /** What of a new engine belongs to another: the unique indexes have refused it. */
  async #taken(db: Database, engine: EngineRecord, deployment: DeploymentRecord | null): Promise<DomainError | null> {
    const ofAccount = and(eq(engines.accountId, engine.accountId), isNull(engines.deletedAtMs));
    const serverless = and(ofAccount, eq(engines.baseModel, engine.baseModel), eq(engines.isServerless, true));
    const [named, shared, deployed] = await db.batch([
      db
        .select({ id: engines.id })
        .from(engines)
        .where(and(ofAccount, eq(engines.name, engine.name))),
      db.select({ id: engines.id }).from(engines).where(serverless),
      db
        .select({ id: deployments.id })
        .from(deployments)
        .where(isNamed(engine.accountId, deployment?.name ?? "")),
    ]);
    if (engine.isServerless && shared.length > 0) return isTaken("serverless", "the model has its engine already");
    if (deployment && deployed.length > 0)
      return isTaken("deployment", `a deployment has the name '${deployment.name}'`);
    return named.length > 0 ? isTaken("engine", `an engine has the name '${engine.name}'`) : null;
  }

  async get(accountId: string, id: string): Promise<EngineRecord | null> {
    if (shardOf(id) !== FIRST_SHARD) return null;
    const where = and(eq(engines.accountId, accountId), eq(engines.id, id), isNull(engines.deletedAtMs));
    const row = await this.#db(id).select().from(engines).where(where).get();
    return row ? toEngine(row) : null;
  }

  async serverless(accountId: string, baseModel: string): Promise<EngineRecord | null> {
    const row = await this.#db(accountId)
      .select()
      .from(engines)
      .where(
        and(
          ...[eq(engines.accountId, accountId), eq(engines.baseModel, baseModel)],
          ...[eq(engines.isServerless, true), isNull(engines.deletedAtMs)],
        ),
      )
      .get();
    return row ? toEngine(row) : null;
  }

  async load(id: string): Promise<EngineRecord | null> {
    if (shardOf(id) !== FIRST_SHARD) return null;
    const row = await this.#db(id).select().from(engines).where(eq(engines.id, id)).get();
    return row ? toEngine(row) : null;
  }

  async list(accountId: string, filter: EngineFilter, page: PageRequest): Promise<Page<EngineRecord>> {
    const conditions: (SQL | undefined)[] = [
      eq(engines.accountId, accountId),
      isNull(engines.deletedAtMs),
      filter.projectId === undefined ? undefined : eq(engines.projectId, filter.projectId),
      filter.baseModel === undefined ? undefined : eq(engines.baseModel, filter.baseModel),
      filter.taskType === undefined ? undefined : eq(engines.taskType, filter.taskType as EngineRecord["taskType"]),
      page.after ? lt(engines.id, page.after) : undefined,
    ];
    const rows = await this.#db(accountId)
      .select()
      .from(engines)
      .where(and(...conditions))
      .orderBy(desc(engines.id))
      .limit(pageLimit(page));
    return toPage(rows.map(toEngine), page);
  }

  async change(engine: EngineRecord, change: EngineChange, nowMs: number): Promise<EngineRecord | null> {
    const { id, version } = engine;
    const db = this.#db(id);
    const after = { ...engine, ...change };
    const update = db
      .update(engines)
      .set({ ...change, version: version + 1, updatedAtMs: nowMs, sweepAfterMs: sweptAt(after, SWEEP_EVERY_MS, nowMs) })
      .where(and(eq(engines.id, id), eq(engines.version, version)))
      .returning();
    if (change.deletedAtMs === undefined) return firstOf(await update);
    const deleted = db
      .select({ id: engines.id })
      .from(engines)
      .where(and(eq(engines.id, id), isNotNull(engines.deletedAtMs)));
    const [rows] = await db.batch([
      update,
      db
        .update(deployments)
        .set({ state: "terminated", stoppedAtMs: nowMs, updatedAtMs: nowMs })
        .where(and(inArray(deployments.engineId, deleted), ne(deployments.state, "terminated"))),
    ]);
    return firstOf(rows);
  }

  async takeDue(nowMs: number, nextMs: number, limit: number): Promise<string[]> {
    const db = this.#databases(FIRST_SHARD);
    const due = db
      .select({ id: engines.id })
      .from(engines)
      .where(and(lte(engines.sweepAfterMs, nowMs), isNotNull(engines.sweepAfterMs)))
      .orderBy(asc(engines.sweepAfterMs))
      .limit(limit);
    const rows = await db
      .update(engines)
      .set({ sweepAfterMs: nextMs })
      .where(inArray(engines.id, due))
      .returning({ id: engines.id });
    return rows.map(({ id }) => id);
  }
}

/** The deployment that has a name; as the unique index has it. */
export function isNamed(accountId: string, name: string): SQL | undefined {
  return and(
    ...[eq(deployments.accountId, accountId), eq(deployments.name, name)],
    ...[ne(deployments.state, "terminated"), isNull(deployments.deletedAtMs)],
  );
}

export function isTaken(what: "engine" | "deployment" | "serverless", message: string): DomainError {
  return new DomainError("conflict", message, { field: "name", facts: { taken: what } });
}

/** One that is down and has no hours has nothing that a lost alarm could keep from it. */
function sweptAt(engine: EngineRecord, afterMs: number, nowMs = engine.createdAtMs): number | null {
  if (engine.deletedAtMs !== null) return null;
  return engine.status !== "inactive" || engine.management.kind === "schedule" ? nowMs + afterMs : null;
}

function firstOf(rows: (typeof engines.$inferSelect)[]): EngineRecord | null {
  return rows[0] ? toEngine(rows[0]) : null;
}
