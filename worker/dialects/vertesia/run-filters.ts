/** What the dialect's ways of asking for runs say, in the domain's words. */
import type { z } from "@hono/zod-openapi";
import { invalid } from "../../domain/errors";
import { RUN_STATUSES, type RunFilter, type RunStatus } from "../../domain/runs";
import type { findRunsBody, listRunsQuery, SearchQuery } from "./run-schema";

/** `parent=false` is an older way to say `is_root=true`. */
export function listFilter(query: z.output<typeof listRunsQuery>): RunFilter {
  const rootByParent = query.parent?.length === 1 && query.parent[0] === "false";
  const parentIds = rootByParent ? undefined : query.parent;
  if (parentIds !== undefined && query.is_root === true) throw invalid("is_root", "excludes 'parent'");
  return present({
    interactions: query.interaction,
    statuses: query.status,
    models: query.model,
    environmentIds: query.environment,
    anyTag: query.tag,
    parentIds,
    isRoot: rootByParent ? true : query.is_root,
    workflowRunIds: query.workflow_run_ids,
    workflowIds: query.workflow_ids,
  });
}

export function searchFilter(query: SearchQuery = {}): RunFilter {
  const one = <T>(value: T | undefined): T[] | undefined => (value === undefined ? undefined : [value]);
  return present({
    ids: query.run_ids,
    interactions: one(query.interaction),
    statuses: one(query.status),
    models: one(query.model),
    environmentIds: one(query.environment),
    finishReasons: one(query.finish_reason),
    createdBy: one(query.created_by),
    allTags: query.tags,
    noTag: query.exclude_tags,
    parentIds: query.parent,
    isRoot: query.is_root,
    fromMs: query.start === undefined ? undefined : Date.parse(query.start),
    beforeMs: query.end === undefined ? undefined : Date.parse(query.end),
    workflowRunIds: query.workflow_run_ids,
    workflowIds: query.workflow_ids,
  });
}

/** The names by which `find` knows a run's fields. */
const FOUND_BY: Record<string, keyof RunFilter> = {
  id: "ids",
  _id: "ids",
  interaction: "interactions",
  status: "statuses",
  modelId: "models",
  model: "models",
  environment: "environmentIds",
  finish_reason: "finishReasons",
  created_by: "createdBy",
  parent: "parentIds",
  tags: "anyTag",
};

export function findFilter(query: z.output<typeof findRunsBody>["query"]): RunFilter {
  const filter: Record<string, unknown> = {};
  for (const [name, wanted] of Object.entries(query)) {
    const field = `query.${name}`;
    const key = Object.hasOwn(FOUND_BY, name) ? FOUND_BY[name] : undefined;
    if (key === undefined) throw invalid(field, `runs are found by ${Object.keys(FOUND_BY).join(", ")}`);
    if (key === "parentIds" && wanted === null) filter["isRoot"] = true;
    else if (key === "anyTag" && hasOnly(wanted, "$all")) filter["allTags"] = strings(wanted["$all"], field);
    else filter[key] = strings(hasOnly(wanted, "$in") ? wanted["$in"] : wanted, field);
  }
  for (const status of (filter["statuses"] ?? []) as string[]) {
    if (!RUN_STATUSES.includes(status as RunStatus))
      throw invalid("query.status", `is one of ${RUN_STATUSES.join(", ")}`);
  }
  return filter as RunFilter;
}

function strings(value: unknown, field: string): string[] {
  const all = [value].flat();
  if (all.every((item) => typeof item === "string")) return all;
  throw invalid(field, "must be a string, or {$in: [...]} of strings");
}

/** Another operator beside it would be passed over. */
function hasOnly<Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.keys(value).join() === key;
}

/** A filter has only what is asked for. */
function present(filter: { [Key in keyof RunFilter]: RunFilter[Key] | undefined }): RunFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
