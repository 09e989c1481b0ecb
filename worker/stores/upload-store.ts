/** Upload sessions in D1: what they are for and how they ended. Every change of state is guarded by the state before. */
import { and, asc, desc, eq, inArray, lt, sql } from "drizzle-orm";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { Page, PageRequest } from "../domain/ports";
import type { UploadStore } from "../domain/upload-ports";
import type { UploadRecord } from "../domain/uploads";
import type { Database, Databases } from "./database";
import { pageLimit, toPage } from "./paging";
import { uploads } from "./schema";

export class D1UploadStore implements UploadStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(upload: UploadRecord, maxOpen: number): Promise<boolean> {
    const u = upload;
    const open = sql`SELECT 1 FROM uploads WHERE account_id = ${u.accountId} AND state = 'open' LIMIT ${maxOpen}`;
    // The columns in the order of the schema, as drizzle names them.
    const created = await this.#db(u.id)
      .insert(uploads)
      .select(
        sql`SELECT ${u.id}, ${u.accountId}, ${u.projectId}, ${u.purpose}, ${u.filename}, ${u.contentType}, ${u.sizeBytes},
          ${u.sha256}, ${u.state}, ${u.r2Key}, ${u.createdAtMs}, ${u.expiresAtMs}
        WHERE (SELECT count(*) FROM (${open})) < ${maxOpen}`,
      )
      .onConflictDoNothing()
      .returning({ id: uploads.id });
    return created.length > 0;
  }

  async get(accountId: string, id: string): Promise<UploadRecord | null> {
    const where = and(eq(uploads.accountId, accountId), eq(uploads.id, id));
    return (await this.#db(accountId).select().from(uploads).where(where).get()) ?? null;
  }

  async load(id: string): Promise<UploadRecord | null> {
    return (await this.#db(id).select().from(uploads).where(eq(uploads.id, id)).get()) ?? null;
  }

  async list(accountId: string, page: PageRequest): Promise<Page<UploadRecord>> {
    const rows = await this.#db(accountId)
      .select()
      .from(uploads)
      .where(and(eq(uploads.accountId, accountId), page.after ? lt(uploads.id, page.after) : undefined))
      .orderBy(desc(uploads.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }

  async complete(id: string, sizeBytes: number, sha256: string): Promise<boolean> {
    const changed = await this.#db(id)
      .update(uploads)
      .set({ state: "completed", sizeBytes, sha256 })
      .where(and(eq(uploads.id, id), eq(uploads.state, "open")))
      .returning({ id: uploads.id });
    return changed.length > 0;
  }

  async end(id: string, as: "aborted" | "expired"): Promise<boolean> {
    const changed = await this.#db(id)
      .update(uploads)
      .set({ state: as })
      .where(and(eq(uploads.id, id), inArray(uploads.state, ["open", "completed"])))
      .returning({ id: uploads.id });
    return changed.length > 0;
  }

  async overdue(expiredBeforeMs: number, limit: number): Promise<string[]> {
    const rows = await this.#databases(FIRST_SHARD)
      .select({ id: uploads.id })
      .from(uploads)
      .where(and(sql`state IN ('open', 'completed')`, lt(uploads.expiresAtMs, expiredBeforeMs)))
      .orderBy(asc(uploads.expiresAtMs))
      .limit(limit);
    return rows.map((row) => row.id);
  }
}
