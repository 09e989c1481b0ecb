/** A deployment is read with its engine: what it is at the moment follows from both. */
import { eq, getTableColumns, sql, type Column, type GetColumnData, type SQL } from "drizzle-orm";
import type { DeploymentRecord, EngineRecord, ServedModel } from "../domain/engines";
import type { Database } from "./database";
import { deployments, engines } from "./schema";

/** When the sweep looks at it is the store's affair. */
const { sweepAfterMs: _sweep, ...engineColumns } = getTableColumns(engines);

/**
 * Drizzle groups the columns of a join by these names. D1 answers a batch with rows as objects, in which of two columns of
 * one name only the second is left: the engine's have names of their own.
 */
const joined = { deployment: getTableColumns(deployments), engine: renamed(engineColumns, "engine_of_") };

function renamed<C extends Record<string, Column>>(columns: C, prefix: string) {
  const entries = Object.entries(columns).map(([key, column]) => [
    key,
    sql`${column}`.mapWith(column).as(prefix + column.name),
  ]);
  return Object.fromEntries(entries) as { [K in keyof C]: SQL.Aliased<GetColumnData<C[K]>> };
}

/** `where` is over both tables. */
export function selectServed(db: Database, where: SQL | undefined) {
  return db.select(joined).from(deployments).innerJoin(engines, eq(engines.id, deployments.engineId)).where(where);
}

export function toServed(row: { deployment: DeploymentRecord; engine: EngineRecord }): ServedModel {
  return row;
}

export function toEngine({ sweepAfterMs: _swept, ...engine }: typeof engines.$inferSelect): EngineRecord {
  return engine;
}
