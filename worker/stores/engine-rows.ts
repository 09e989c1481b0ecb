/** A deployment is read with its engine: what it is at the moment follows from both. */
import { eq, getTableColumns, type SQL } from "drizzle-orm";
import type { DeploymentRecord, EngineRecord, ServedModel } from "../domain/engines";
import type { Database } from "./database";
import { deployments, engines } from "./schema";

/** When the sweep looks at it is the store's affair. */
const { sweepAfterMs: _sweep, ...engineColumns } = getTableColumns(engines);

/** Drizzle groups the columns of a join by these names. */
const joined = { deployment: getTableColumns(deployments), engine: engineColumns };

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
