/** API keys, by their SHA-256 alone. */
import { and, desc, eq, isNull, lt, or } from "drizzle-orm";
import { LAST_USED_RESOLUTION_MS, type ApiKeyRecord, type Principal } from "../domain/accounts";
import { FIRST_SHARD } from "../domain/ids";
import {
  NOTHING_READ,
  type FirstRead,
  type FirstReadResult,
  type KeyStore,
  type Page,
  type PageRequest,
} from "../domain/ports";
import type { Database, Databases } from "./database";
import { firstReadOf } from "./first-read";
import { pageLimit, toPage } from "./paging";
import { apiKeys } from "./schema";

export class D1KeyStore implements KeyStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async create(key: ApiKeyRecord, sha256: string): Promise<void> {
    await this.#db.insert(apiKeys).values({ ...key, sha256 });
  }

  async list(accountId: string, page: PageRequest): Promise<Page<ApiKeyRecord>> {
    const rows = await this.#db
      .select()
      .from(apiKeys)
      .where(
        and(
          eq(apiKeys.accountId, accountId),
          isNull(apiKeys.revokedAtMs),
          page.after ? lt(apiKeys.id, page.after) : undefined,
        ),
      )
      .orderBy(desc(apiKeys.id))
      .limit(pageLimit(page));
    return toPage(
      rows.map(({ sha256: _, ...record }) => record),
      page,
    );
  }

  async revoke(accountId: string, id: string, nowMs: number): Promise<boolean> {
    const revoked = await this.#db
      .update(apiKeys)
      .set({ revokedAtMs: nowMs })
      .where(and(eq(apiKeys.accountId, accountId), eq(apiKeys.id, id), isNull(apiKeys.revokedAtMs)))
      .returning({ id: apiKeys.id });
    return revoked.length > 0;
  }

  async authenticate(
    sha256: string,
    read: FirstRead,
  ): Promise<{ principal: Principal | null; first: FirstReadResult }> {
    const live = and(eq(apiKeys.sha256, sha256), isNull(apiKeys.revokedAtMs));
    const key = this.#db.select().from(apiKeys).where(live);
    // The account is not known yet: the first read finds it by the same key.
    const owner = this.#db.select({ id: apiKeys.accountId }).from(apiKeys).where(live);
    const first = firstReadOf(this.#db, read, owner);
    if (first === null) return { principal: toPrincipal(await key), first: NOTHING_READ };
    const [keys, rows] = await this.#db.batch([key, first.query]);
    return { principal: toPrincipal(keys), first: { ...NOTHING_READ, ...first.result(rows) } };
  }

  async touch(keyId: string, nowMs: number): Promise<void> {
    await this.#db
      .update(apiKeys)
      .set({ lastUsedAtMs: nowMs })
      .where(
        and(
          eq(apiKeys.id, keyId),
          or(isNull(apiKeys.lastUsedAtMs), lt(apiKeys.lastUsedAtMs, nowMs - LAST_USED_RESOLUTION_MS)),
        ),
      );
  }
}

function toPrincipal(rows: (typeof apiKeys.$inferSelect)[]): Principal | null {
  const key = rows[0];
  if (!key) return null;
  return {
    accountId: key.accountId,
    projectId: key.projectId,
    keyId: key.id,
    scopes: key.scopes,
    lastUsedAtMs: key.lastUsedAtMs,
  };
}
