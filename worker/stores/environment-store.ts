/** Environments. An update is one statement, lists and configuration included. */
import { and, desc, eq, or, type SQL, sql } from "drizzle-orm";
import { shardOf } from "../domain/ids";
import type { EnvironmentModel, EnvironmentRecord } from "../domain/environments";
import type { EnvironmentStore, EnvironmentUpdate } from "../domain/session-ports";
import type { Database, Databases } from "./database";
import { jsonWithKeys } from "./json-keys";
import { environments } from "./schema";

export class D1EnvironmentStore implements EnvironmentStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(environment: EnvironmentRecord): Promise<void> {
    await this.#db(environment.id).insert(environments).values(environment);
  }

  async get(accountId: string, id: string): Promise<EnvironmentRecord | null> {
    const mine = and(eq(environments.accountId, accountId), eq(environments.id, id));
    return (await this.#db(accountId).select().from(environments).where(mine).get()) ?? null;
  }

  async list(accountId: string, projectId: string | null, limit: number): Promise<EnvironmentRecord[]> {
    return this.#db(accountId)
      .select()
      .from(environments)
      .where(and(eq(environments.accountId, accountId), projectId === null ? undefined : allows(projectId)))
      .orderBy(desc(environments.id))
      .limit(limit);
  }

  async update(accountId: string, id: string, update: EnvironmentUpdate): Promise<EnvironmentRecord | null> {
    const { set = {}, mergeConfig, enable, disable, by, nowMs } = update;
    const rows = await this.#db(accountId)
      .update(environments)
      .set({
        ...set,
        ...(mergeConfig && { config: jsonWithKeys(environments.config, mergeConfig) }),
        ...(enable && { enabledModels: withModel(enable) }),
        ...(disable === undefined ? {} : { enabledModels: withoutModel(disable) }),
        updatedBy: by,
        updatedAtMs: nowMs,
      })
      .where(and(eq(environments.accountId, accountId), eq(environments.id, id)))
      .returning();
    return rows[0] ?? null;
  }
}

/** None named: all of the account's. */
function allows(projectId: string): SQL | undefined {
  const list = environments.allowedProjects;
  return or(
    sql`json_array_length(${list}) = 0`,
    sql`EXISTS (SELECT 1 FROM json_each(${list}) WHERE value = ${projectId})`,
  );
}

function withoutModel(id: string): SQL {
  return sql`(SELECT json_group_array(json(value)) FROM json_each(${environments.enabledModels})
    WHERE json_extract(value, '$.id') <> ${id})`;
}

function withModel(model: EnvironmentModel): SQL {
  return sql`json_insert(${withoutModel(model.id)}, '$[#]', json(${JSON.stringify(model)}))`;
}
