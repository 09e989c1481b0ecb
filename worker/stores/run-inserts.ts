/** Runs and their tags as statements: thousands of them in one JSON parameter. */
import { type SQL, sql } from "drizzle-orm";
import type { RunRecord } from "../domain/runs";
import type { Database } from "./database";
import { runs, runTags } from "./schema";

/** What keeps these runs, for a batch: all of them where `condition` is true, else none. */
export function insertedRuns(db: Database, added: RunRecord[], condition: SQL = sql`true`) {
  const tagged = added.filter(({ tags }) => tags.length > 0);
  const tags = tagged.map(({ id, projectId, tags }) => ({ id, projectId, tags }));
  return [
    db.insert(runs).select(sql`${runsOf(JSON.stringify(added))} WHERE ${condition}`),
    db.insert(runTags).select(sql`${tagsOf(JSON.stringify(tags))} WHERE ${condition}`),
  ] as const;
}

/** The columns of `runs` in the order of the schema, from a JSON list of records: one bound parameter for all of them. */
function runsOf(records: string): SQL {
  return sql`SELECT value ->> 'id', value ->> 'accountId', value ->> 'projectId', value ->> 'interaction', value ->> 'status',
      value ->> 'environmentId', value ->> 'model', value -> 'tags', value ->> 'parentId', value ->> 'hasResult',
      nullif(value -> 'tokenUse', 'null'), value ->> 'executionTimeMs', value ->> 'finishReason', value ->> 'createdBy',
      value ->> 'createdAtMs', value ->> 'updatedAtMs', octet_length(value -> 'body'), value -> 'body'
    FROM json_each(${records})`;
}

/** A row for each tag of each record: the list of them would be larger than the records are. */
function tagsOf(records: string): SQL {
  return sql`SELECT run.value ->> 'projectId', tag.value, run.value ->> 'id'
    FROM json_each(${records}) AS run, json_each(run.value -> 'tags') AS tag`;
}
