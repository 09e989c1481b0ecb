/** Deployments in D1. Whoever makes or ends one tells its engine's object afterwards; an agent asks for the list again then. */
import { and, asc, desc, eq, inArray, isNull, lt, ne, sql, type SQL } from "drizzle-orm";
import type { DeploymentRecord, ServedModel } from "../domain/engines";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { DeploymentFilter, DeploymentStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { selectServed, toServed } from "./engine-rows";
import { isNamed, isTaken } from "./engine-store";
import { pageLimit, toPage } from "./paging";
import { deployments } from "./schema";

const MAX_OF_ENGINE = 1000;

export class D1DeploymentStore implements DeploymentStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(deployment: DeploymentRecord): Promise<void> {
    try {
      await this.#db(deployment.id).insert(deployments).values(deployment);
    } catch (error) {
      if (!(await this.named(deployment.accountId, deployment.name))) throw error;
      throw isTaken("deployment", `a deployment has the name '${deployment.name}'`);
    }
  }

  async get(accountId: string, id: string): Promise<ServedModel | null> {
    if (shardOf(id) !== FIRST_SHARD) return null;
    const where = and(eq(deployments.accountId, accountId), eq(deployments.id, id), isNull(deployments.deletedAtMs));
    const row = await selectServed(this.#db(id), where).get();
    return row ? toServed(row) : null;
  }

  async named(accountId: string, name: string): Promise<ServedModel | null> {
    const row = await selectServed(this.#db(accountId), isNamed(accountId, name)).get();
    return row ? toServed(row) : null;
  }

  async list(accountId: string, filter: DeploymentFilter, page: PageRequest): Promise<Page<ServedModel>> {
    const conditions: (SQL | undefined)[] = [
      eq(deployments.accountId, accountId),
      isNull(deployments.deletedAtMs),
      filter.projectId === undefined ? undefined : eq(deployments.projectId, filter.projectId),
      filter.engineId === undefined ? undefined : eq(deployments.engineId, filter.engineId),
      filter.jobId === undefined ? undefined : eq(deployments.jobId, filter.jobId),
      filter.origins === undefined ? undefined : inArray(deployments.origin, filter.origins),
      page.after ? lt(deployments.id, page.after) : undefined,
    ];
    const rows = await selectServed(this.#db(accountId), and(...conditions))
      .orderBy(desc(deployments.id))
      .limit(pageLimit(page));
    return toPage(rows.map(toServed), page);
  }

  async ofEngine(engineId: string): Promise<DeploymentRecord[]> {
    return this.#db(engineId)
      .select()
      .from(deployments)
      .where(and(eq(deployments.engineId, engineId), ...isThere))
      .orderBy(asc(deployments.id))
      .limit(MAX_OF_ENGINE);
  }

  async countsOf(engineIds: string[]): Promise<Map<string, number>> {
    const [first] = engineIds;
    if (first === undefined) return new Map();
    const rows = await this.#db(first)
      .select({ engineId: deployments.engineId, n: sql<number>`count(*)` })
      .from(deployments)
      .where(
        and(sql`${deployments.engineId} IN (SELECT value FROM json_each(${JSON.stringify(engineIds)}))`, ...isThere),
      )
      .groupBy(deployments.engineId);
    return new Map(rows.map(({ engineId, n }) => [engineId, n]));
  }

  async markReady(id: string, run: number, labels: string[] | null, nowMs: number): Promise<void> {
    await this.#change(id, {
      ...{ state: "live", error: null, readyRun: run, updatedAtMs: nowMs },
      ...(labels === null ? {} : { labels }),
      readyAtMs: sql`coalesce(${deployments.readyAtMs}, ${nowMs})`,
    });
  }

  async markFailed(id: string, error: string, nowMs: number): Promise<void> {
    await this.#change(id, { state: "failed", error, updatedAtMs: nowMs });
  }

  async markLive(id: string, nowMs: number): Promise<void> {
    await this.#change(id, { state: "live", error: null, updatedAtMs: nowMs });
  }

  async markTerminated(id: string, nowMs: number): Promise<void> {
    await this.#change(id, { state: "terminated", stoppedAtMs: nowMs, updatedAtMs: nowMs });
  }

  async markDeleted(id: string, nowMs: number): Promise<void> {
    await this.#change(id, { state: "terminated", stoppedAtMs: nowMs, updatedAtMs: nowMs });
    await this.#db(id)
      .update(deployments)
      .set({ deletedAtMs: nowMs })
      .where(and(eq(deployments.id, id), isNull(deployments.deletedAtMs)));
  }

  /** One that is terminated stays as it was. */
  async #change(id: string, columns: SQLiteSet): Promise<void> {
    await this.#db(id)
      .update(deployments)
      .set(columns)
      .where(and(eq(deployments.id, id), ne(deployments.state, "terminated")));
  }
}

type SQLiteSet = { [Column in keyof DeploymentRecord]?: DeploymentRecord[Column] | SQL };

/** Live or failed. */
const isThere = [ne(deployments.state, "terminated"), isNull(deployments.deletedAtMs)];
