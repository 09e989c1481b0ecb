/** D1 by shard. All rows of an account are in its shard; there is one today. */
import { drizzle, type DrizzleD1Database } from "drizzle-orm/d1";
import { FIRST_SHARD } from "../domain/ids";

export type Database = DrizzleD1Database;

export type Databases = (shard: string) => Database;

export function databases(first: D1Database): Databases {
  const db = drizzle(first);
  return (shard) => {
    if (shard !== FIRST_SHARD) throw new Error(`no database for shard ${shard}`);
    return db;
  };
}
