/** Accounts and their projects. */
import { and, asc, desc, eq, isNull, lt } from "drizzle-orm";
import type { AccountRecord, ApiKeyRecord, ProjectRecord, ProjectUpdate } from "../domain/accounts";
import { FIRST_SHARD } from "../domain/ids";
import type { AccountStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { jsonWithKeys } from "./json-keys";
import { pageLimit, toPage } from "./paging";
import { accounts, apiKeys, projects } from "./schema";

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

  async only(): Promise<{ accountId: string; projectId: string } | null> {
    const [account, another] = await this.#db.select({ id: accounts.id }).from(accounts).limit(2);
    if (!account || another) return null;
    const first = await this.#db
      .select({ accountId: projects.accountId, projectId: projects.id })
      .from(projects)
      .where(and(eq(projects.accountId, account.id), isNull(projects.deletedAtMs)))
      .orderBy(asc(projects.id))
      .limit(1)
      .get();
    return first ?? null;
  }

  async createProject(project: ProjectRecord): Promise<void> {
    await this.#db.insert(projects).values(project);
  }

  async updateProject(accountId: string, id: string, update: ProjectUpdate): Promise<ProjectRecord | null> {
    const { set = {}, mergeConfiguration: keys, by, nowMs } = update;
    const mine = and(eq(projects.accountId, accountId), eq(projects.id, id), isNull(projects.deletedAtMs));
    const rows = await this.#db
      .update(projects)
      .set({
        ...set,
        ...(keys && { configuration: jsonWithKeys(projects.configuration, keys) }),
        updatedBy: by,
        updatedAtMs: nowMs,
      })
      .where(mine)
      .returning();
    return rows[0] ?? null;
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
