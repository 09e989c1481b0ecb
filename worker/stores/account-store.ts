/** Accounts, their projects and their API keys. */
import { and, desc, eq, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import {
  LAST_USED_RESOLUTION_MS,
  type AccountRecord,
  type ApiKeyRecord,
  type Principal,
  type ProjectRecord,
} from "../domain/accounts";
import { FIRST_SHARD } from "../domain/ids";
import type { AccountStore, FirstRead, FirstReadResult, KeyStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { joinedJob, toJob } from "./job-rows";
import { pageLimit, toPage } from "./paging";
import { accounts, apiKeys, datasets, functions, jobs, projects, tasks, uploads } from "./schema";

export class D1AccountStore implements AccountStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async create(account: AccountRecord, project: ProjectRecord, key: ApiKeyRecord, keySha256: string): Promise<void> {
    await this.#db.batch([
      this.#db.insert(accounts).values(account),
      this.#db.insert(projects).values(project),
      this.#db.insert(apiKeys).values({ ...key, sha256: keySha256 }),
    ]);
  }

  async list(page: PageRequest): Promise<Page<AccountRecord>> {
    const rows = await this.#db
      .select()
      .from(accounts)
      .where(page.after ? lt(accounts.id, page.after) : undefined)
      .orderBy(desc(accounts.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }

  async createProject(project: ProjectRecord): Promise<void> {
    await this.#db.insert(projects).values(project);
  }

  async getProject(accountId: string, id: string): Promise<ProjectRecord | null> {
    const where = and(eq(projects.accountId, accountId), eq(projects.id, id), isNull(projects.deletedAtMs));
    return (await this.#db.select().from(projects).where(where).get()) ?? null;
  }

  async listProjects(accountId: string, page: PageRequest): Promise<Page<ProjectRecord>> {
    const after = page.after ? lt(projects.id, page.after) : undefined;
    const rows = await this.#db
      .select()
      .from(projects)
      .where(and(eq(projects.accountId, accountId), isNull(projects.deletedAtMs), after))
      .orderBy(desc(projects.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }
}

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
    const first: FirstReadResult = { job: null, dataset: null, fn: null, upload: null, project: null };
    const key = this.#db
      .select()
      .from(apiKeys)
      .where(and(eq(apiKeys.sha256, sha256), isNull(apiKeys.revokedAtMs)));
    // The account is not known yet: the first read finds it by the same key.
    const owner = sql`(SELECT account_id FROM api_keys WHERE sha256 = ${sha256} AND revoked_at_ms IS NULL)`;
    const db = this.#db;
    switch (read.kind) {
      case "none":
        return { principal: toPrincipal(await key), first };
      case "job": {
        const [keys, rows] = await db.batch([
          key,
          db
            .select(joinedJob)
            .from(jobs)
            .innerJoin(tasks, eq(tasks.id, jobs.id))
            .where(and(eq(jobs.id, read.id), ownedBy(jobs.accountId, owner), isNull(jobs.deletedAtMs))),
        ]);
        return { principal: toPrincipal(keys), first: { ...first, job: rows[0] ? toJob(rows[0]) : null } };
      }
      case "dataset": {
        const where = and(eq(datasets.id, read.id), ownedBy(datasets.accountId, owner), isNull(datasets.deletedAtMs));
        const [keys, rows] = await db.batch([key, db.select().from(datasets).where(where)]);
        return { principal: toPrincipal(keys), first: { ...first, dataset: rows[0] ?? null } };
      }
      case "function": {
        const where = and(
          eq(functions.id, read.id),
          ownedBy(functions.accountId, owner),
          isNull(functions.deletedAtMs),
        );
        const [keys, rows] = await db.batch([key, db.select().from(functions).where(where)]);
        return { principal: toPrincipal(keys), first: { ...first, fn: rows[0] ?? null } };
      }
      case "upload": {
        const where = and(eq(uploads.id, read.id), ownedBy(uploads.accountId, owner));
        const [keys, rows] = await db.batch([key, db.select().from(uploads).where(where)]);
        return { principal: toPrincipal(keys), first: { ...first, upload: rows[0] ?? null } };
      }
      case "project": {
        const where = and(eq(projects.id, read.id), ownedBy(projects.accountId, owner), isNull(projects.deletedAtMs));
        const [keys, rows] = await db.batch([key, db.select().from(projects).where(where)]);
        return { principal: toPrincipal(keys), first: { ...first, project: rows[0] ?? null } };
      }
    }
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

function ownedBy(column: Parameters<typeof eq>[0], owner: SQL): SQL {
  return sql`${column} = ${owner}`;
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
