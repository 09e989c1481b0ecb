/** What a filter of runs says, as conditions. A single value is an equality, so that an index gives the order too. */
import { and, eq, gte, isNotNull, isNull, lt, type SQL, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { RunOwner } from "../domain/run-ports";
import type { RunFilter } from "../domain/runs";
import { runImports, runs, runTags } from "./schema";

export function ownedRuns(owner: RunOwner): SQL | undefined {
  return and(eq(runs.accountId, owner.accountId), eq(runs.projectId, owner.projectId));
}

/** Not of an import that goes on. For a run or a few; for many there is `seenRuns`. */
export const isSeen: SQL = sql`NOT EXISTS (SELECT 1 FROM ${runImports}
  WHERE ${runImports.accountId} = ${runs.accountId} AND ${runImports.projectId} = ${runs.projectId}
    AND ${runs.id} BETWEEN ${runImports.firstRunId} AND ${runImports.lastRunId})`;

/**
 * Without those of imports that go on. Where there is none, which is nearly always, the first question is asked once for
 * the whole statement and answers it; only else is each row looked up.
 */
export function seenRuns(owner: RunOwner): SQL | undefined {
  const { accountId, projectId } = owner;
  const going = sql`SELECT 1 FROM ${runImports} WHERE ${runImports.accountId} = ${accountId} AND ${runImports.projectId} = ${projectId}`;
  return and(ownedRuns(owner), sql`(NOT EXISTS (${going}) OR ${isSeen})`);
}

export function runsMatching(owner: RunOwner, filter: RunFilter): SQL | undefined {
  return and(
    seenRuns(owner),
    oneOf(runs.id, filter.ids),
    oneOf(runs.interaction, filter.interactions),
    oneOf(runs.status, filter.statuses),
    oneOf(runs.model, filter.models),
    oneOf(runs.environmentId, filter.environmentIds),
    oneOf(runs.finishReason, filter.finishReasons),
    oneOf(runs.createdBy, filter.createdBy),
    oneOf(runs.parentId, filter.parentIds),
    filter.isRoot === undefined ? undefined : filter.isRoot ? isNull(runs.parentId) : isNotNull(runs.parentId),
    filter.workflowRunIds && sql`${runs.body} ->> '$.workflow.run_id' IN ${listed(filter.workflowRunIds)}`,
    filter.workflowIds && sql`${runs.body} ->> '$.workflow.workflow_id' IN ${listed(filter.workflowIds)}`,
    filter.fromMs === undefined ? undefined : gte(runs.createdAtMs, filter.fromMs),
    filter.beforeMs === undefined ? undefined : lt(runs.createdAtMs, filter.beforeMs),
    filter.anyTag && sql`${runs.id} IN ${tagged(owner, filter.anyTag)}`,
    filter.allTags?.length ? sql`${runs.id} IN ${taggedWithAll(owner, filter.allTags)}` : undefined,
    filter.noTag && sql`${runs.id} NOT IN ${tagged(owner, filter.noTag)}`,
  );
}

function oneOf(column: SQLiteColumn, values: string[] | undefined): SQL | undefined {
  if (values === undefined) return undefined;
  return values.length === 1 ? eq(column, values[0]) : sql`${column} IN ${listed(values)}`;
}

/** Any number of values as one bound parameter. */
export function listed(values: readonly string[]): SQL {
  return sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

function tagged(owner: RunOwner, tags: string[]): SQL {
  return sql`(SELECT ${runTags.runId} FROM ${runTags}
    WHERE ${runTags.projectId} = ${owner.projectId} AND ${runTags.tag} IN ${listed(tags)})`;
}

/** However many there are, in one statement: D1 binds a hundred parameters at most. */
function taggedWithAll(owner: RunOwner, tags: string[]): SQL {
  const wanted = [...new Set(tags)];
  return sql`(SELECT ${runTags.runId} FROM ${runTags}
    WHERE ${runTags.projectId} = ${owner.projectId} AND ${runTags.tag} IN ${listed(wanted)}
    GROUP BY ${runTags.runId} HAVING count(DISTINCT ${runTags.tag}) = ${wanted.length})`;
}
