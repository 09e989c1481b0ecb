/** Rows of `runs` joined with what they refer to ⇄ the domain's run. */
import { eq, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { ListedRun, RetrievedRun, RunRefs } from "../domain/runs";
import type { Database } from "./database";
import { accounts, environments, projects, runs } from "./schema";

const { body, bodyBytes: _bodyBytes, ...summaryColumns } = getTableColumns(runs);

/** Every column has a name of its own: D1's batches answer with objects. */
const listedColumns = {
  ...summaryColumns,
  environmentName: sql<string | null>`${environments.name}`.as("environment_name"),
  environmentProvider: sql<string | null>`${environments.provider}`.as("environment_provider"),
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
  return withRefs(row);
}

export function toRun(row: Awaited<ReturnType<typeof selectRuns>>[number]): RetrievedRun {
  return withRefs(row);
}

interface Joined {
  environmentId: string | null;
  environmentName: string | null;
  environmentProvider: string | null;
}

function withRefs<Row extends Joined>(
  row: Row,
): Omit<Row, "environmentName" | "environmentProvider"> & Pick<RunRefs, "environment"> {
  const { environmentName: name, environmentProvider: provider, ...run } = row;
  const { environmentId: id } = row;
  return { ...run, environment: id === null || name === null || provider === null ? null : { id, name, provider } };
}
