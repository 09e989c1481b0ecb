/** A JSON column with some keys in place of its own, in one statement: two that come at once lose nothing. */
import { sql, type SQL, type SQLWrapper } from "drizzle-orm";

/** Each key as a whole; those that `keys` does not name stay. */
export function jsonWithKeys(column: SQLWrapper, keys: Record<string, unknown>): SQL {
  const sent = JSON.stringify(keys);
  const others = sql`SELECT key, value, type FROM json_each(coalesce(${column}, '{}'))
    WHERE key NOT IN (SELECT key FROM json_each(${sent}))`;
  // Plain values come out of json_each without their quotes.
  const value = sql`CASE type WHEN 'object' THEN json(value) WHEN 'array' THEN json(value)
    WHEN 'true' THEN json('true') WHEN 'false' THEN json('false') ELSE json_quote(value) END`;
  return sql`(SELECT json_group_object(key, ${value})
    FROM (${others} UNION ALL SELECT key, value, type FROM json_each(${sent})))`;
}
