/** API keys, by their SHA-256 alone. */
import { and, desc, eq, isNull, lt, or } from "drizzle-orm";
import { LAST_USED_RESOLUTION_MS, type ApiKeyRecord, type Principal } from "../domain/accounts";
import { FIRST_SHARD } from "../domain/ids";
import {
  NOTHING_READ,
  type Credential,
  type FirstRead,
  type FirstReadResult,
  type KeyStore,
  type Page,
  type PageRequest,
  type TokenNames,
} from "../domain/ports";
import type { Database, Databases } from "./database";
import { firstReadOf } from "./first-read";
import { pageLimit, toPage } from "./paging";
import { holderOf } from "./holders";
import { accounts, apiKeys, projects } from "./schema";

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
    credential: Credential,
    read: FirstRead,
  ): Promise<{ principal: Principal | null; first: FirstReadResult }> {
    const { query, owner, principal } = holderOf(this.#db, credential);
    const first = firstReadOf(this.#db, read, owner);
    if (first === null) return { principal: principal(await query), first: NOTHING_READ };
    const [holders, rows] = await this.#db.batch([query, first.query]);
    return { principal: principal(holders), first: { ...NOTHING_READ, ...first.result(rows) } };
  }

  async names({
    accountId,
    projectId,
    keyId,
  }: Pick<Principal, "accountId" | "projectId" | "keyId">): Promise<TokenNames | null> {
    const [names] = await this.#db
      .select({ account: accounts.name, project: projects.name, key: apiKeys.name })
      .from(projects)
      .innerJoin(accounts, eq(accounts.id, projects.accountId))
      .innerJoin(apiKeys, eq(apiKeys.id, keyId))
      .where(and(eq(projects.id, projectId), eq(projects.accountId, accountId), isNull(projects.deletedAtMs)));
    return names ?? null;
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
