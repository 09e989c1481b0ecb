/** The record that a route reads first, as a statement for the batch of the credential's look-up. */
import { and, eq, isNull, ne, or, sql, type SQL, type SQLWrapper } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { FirstRead, FirstReadResult } from "../domain/ports";
import type { Database } from "./database";
import { selectServed, toEngine, toServed } from "./engine-rows";
import { joinedJob, toJob } from "./job-rows";
import { selectActive, toModuleSession } from "./module-session-store";
import { isSeen } from "./run-filters";
import { selectRuns, toRun } from "./run-rows";
import {
  datasets,
  deployments,
  engines,
  environments,
  functions,
  jobs,
  projects,
  runs,
  tasks,
  trainingSessions,
  uploads,
} from "./schema";
import { selectSessions, toSession } from "./session-rows";

export interface FirstReadQuery {
  query: BatchItem<"sqlite">;
  /** Of the statement's rows. */
  result: (rows: unknown) => Partial<FirstReadResult>;
}

/** `owner` selects the account of whoever is calling; null when nothing is to be read. */
export function firstReadOf(db: Database, read: FirstRead, owner: SQLWrapper): FirstReadQuery | null {
  const mine = (table: Owned, ...more: SQL[]): SQL | undefined =>
    read.kind === "none" || read.kind === "module" || read.kind === "served"
      ? undefined
      : and(eq(table.id, read.id), sql`${table.accountId} = ${owner}`, ...more);
  switch (read.kind) {
    case "none":
      return null;
    case "job":
      return jobQuery(db, mine(jobs, isNull(jobs.deletedAtMs), eq(tasks.kind, "train")));
    case "task":
      return jobQuery(db, mine(jobs, isNull(jobs.deletedAtMs)));
    case "dataset": {
      const query = db
        .select()
        .from(datasets)
        .where(mine(datasets, isNull(datasets.deletedAtMs)));
      return of(query, (dataset) => ({ dataset }));
    }
    case "function": {
      const query = db
        .select()
        .from(functions)
        .where(mine(functions, isNull(functions.deletedAtMs)));
      return of(query, (fn) => ({ fn }));
    }
    case "upload":
      return of(db.select().from(uploads).where(mine(uploads)), (upload) => ({ upload }));
    case "project": {
      const query = db
        .select()
        .from(projects)
        .where(mine(projects, isNull(projects.deletedAtMs)));
      return of(query, (project) => ({ project }));
    }
    case "environment":
      return of(db.select().from(environments).where(mine(environments)), (environment) => ({ environment }));
    case "run":
      return of(selectRuns(db, mine(runs, isSeen)), (row) => ({ run: toRun(row) }));
    case "module":
      return of(selectActive(db, sql`${owner}`), (row) => ({ module: toModuleSession(row) }));
    case "engine": {
      const query = db
        .select()
        .from(engines)
        .where(mine(engines, isNull(engines.deletedAtMs)));
      return of(query, (row) => ({ engine: toEngine(row) }));
    }
    case "deployment":
      return of(selectServed(db, mine(deployments, isNull(deployments.deletedAtMs))), (row) => ({
        served: toServed(row),
      }));
    case "served":
      return of(selectServed(db, meant(read, owner)), (row) => ({ served: toServed(row) }));
    case "session":
      return of(selectSessions(db, mine(trainingSessions)), (row) => ({ session: toSession(row) }));
  }
}

interface Owned {
  id: Parameters<typeof eq>[0];
  accountId: Parameters<typeof eq>[0];
}

/** A name is of one deployment at a time; those that are terminated have none. */
function meant({ name, id }: Extract<FirstRead, { kind: "served" }>, owner: SQLWrapper): SQL | undefined {
  return and(
    sql`${deployments.accountId} = ${owner}`,
    id === null ? eq(deployments.name, name) : or(eq(deployments.name, name), eq(deployments.id, id)),
    ne(deployments.state, sql`'terminated'`),
    isNull(deployments.deletedAtMs),
  );
}

function jobQuery(db: Database, where: SQL | undefined): FirstReadQuery {
  const query = db.select(joinedJob).from(jobs).innerJoin(tasks, eq(tasks.id, jobs.id)).where(where);
  return of(query, (row) => ({ job: toJob(row) }));
}

/** A batch knows the types of its statements only by their places: here it is one of many. */
function of<Row>(
  query: BatchItem<"sqlite"> & PromiseLike<Row[]>,
  result: (row: Row) => Partial<FirstReadResult>,
): FirstReadQuery {
  return {
    query,
    result: (rows) => {
      const [row] = rows as Row[];
      return row === undefined ? {} : result(row);
    },
  };
}
