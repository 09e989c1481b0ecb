/** Rows of `runs` joined with what they refer to ⇄ the domain's run. */
import { eq, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { ListedRun, RetrievedRun, RunEnvironment } from "../domain/runs";
import type { Database } from "./database";
import { accounts, environments, projects, runs } from "./schema";

const { body, bodyBytes: _bodyBytes, ...summaryColumns } = getTableColumns(runs);

/** null where the run names none. */
const environment = sql`CASE WHEN ${environments.id} IS NULL THEN NULL ELSE json_object(
  'id', ${environments.id}, 'name', ${environments.name}, 'provider', ${environments.provider},
  'createdBy', ${environments.createdBy}, 'updatedBy', ${environments.updatedBy},
  'createdAtMs', ${environments.createdAtMs}, 'updatedAtMs', ${environments.updatedAtMs}) END`;

/** Every column has a name of its own: D1's batches answer with objects. */
const listedColumns = {
  ...summaryColumns,
  environment: environment.mapWith((json: string) => JSON.parse(json) as RunEnvironment).as("environment"),
  accountName: sql<string>`coalesce(${accounts.name}, '')`.as("account_name"),
  projectName: sql<string>`coalesce(${projects.name}, '')`.as("project_name"),
};

/** Without bodies, for lists. */
export function selectListed(db: Database) {
  return db
    .select(listedColumns)
    .from(runs)
    .leftJoin(environments, eq(environments.id, runs.environmentId))
    .leftJoin(accounts, eq(accounts.id, runs.accountId))
    .leftJoin(projects, eq(projects.id, runs.projectId))
    .$dynamic();
}

export function selectRuns(db: Database, condition: SQL | undefined) {
  return db
    .select({ ...listedColumns, body })
    .from(runs)
    .leftJoin(environments, eq(environments.id, runs.environmentId))
    .leftJoin(accounts, eq(accounts.id, runs.accountId))
    .leftJoin(projects, eq(projects.id, runs.projectId))
    .where(condition);
}

export function toListed(row: Awaited<ReturnType<typeof selectListed>>[number]): ListedRun {
  return row;
}

export function toRun(row: Awaited<ReturnType<typeof selectRuns>>[number]): RetrievedRun {
  return row;
}
