/** The Training Module's sessions. That an account has one active at most is the unique index's doing, not ours. */
import { and, eq, getTableColumns, isNull, sql, type SQL } from "drizzle-orm";
import { alias } from "drizzle-orm/sqlite-core";
import { shardOf } from "../domain/ids";
import type { JobStatus } from "../domain/job-status";
import type {
  ModuleChanges,
  ModuleSession,
  ModuleSessionRecord,
  ModuleSessionStore,
  ModuleTask,
} from "../domain/module-sessions";
import type { Database, Databases } from "./database";
import { jobs, moduleSessions } from "./schema";

const preprocess = alias(jobs, "preprocess");
const train = alias(jobs, "train");
const imported = alias(jobs, "imported");

/** Every column has a name of its own: D1's batches answer with objects. */
const joined = {
  ...getTableColumns(moduleSessions),
  preprocessStatus: sql<JobStatus | null>`${preprocess.status}`.as("preprocess_status"),
  preprocessReason: sql<string | null>`${preprocess.reasonMessage}`.as("preprocess_reason"),
  trainStatus: sql<JobStatus | null>`${train.status}`.as("train_status"),
  trainReason: sql<string | null>`${train.reasonMessage}`.as("train_reason"),
  importStatus: sql<JobStatus | null>`${imported.status}`.as("import_status"),
  importReason: sql<string | null>`${imported.reasonMessage}`.as("import_reason"),
};

/** The active session of the account that `owner` selects, with the statuses of its tasks. */
export function selectActive(db: Database, owner: SQL) {
  return db
    .select(joined)
    .from(moduleSessions)
    .leftJoin(preprocess, and(eq(preprocess.id, moduleSessions.preprocessJobId), isNull(preprocess.deletedAtMs)))
    .leftJoin(train, and(eq(train.id, moduleSessions.trainJobId), isNull(train.deletedAtMs)))
    .leftJoin(imported, and(eq(imported.id, moduleSessions.importJobId), isNull(imported.deletedAtMs)))
    .where(and(sql`${moduleSessions.accountId} = ${owner}`, isNull(moduleSessions.endedAtMs)));
}

export function toModuleSession(row: Awaited<ReturnType<typeof selectActive>>[number]): ModuleSession {
  const { preprocessStatus, preprocessReason, trainStatus, trainReason, importStatus, importReason, ...session } = row;
  return {
    ...session,
    preprocess: task(preprocessStatus, preprocessReason),
    train: task(trainStatus, trainReason),
    import: task(importStatus, importReason),
  };
}

function task(status: JobStatus | null, reasonMessage: string | null): ModuleTask | null {
  return status === null ? null : { status, reasonMessage };
}

export class D1ModuleSessionStore implements ModuleSessionStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async active(accountId: string): Promise<ModuleSession | null> {
    const row = await selectActive(this.#db(accountId), sql`${accountId}`).get();
    return row ? toModuleSession(row) : null;
  }

  async start(
    session: ModuleSessionRecord,
    replaces: string | null,
  ): Promise<{ started: boolean; ended: ModuleSessionRecord | null }> {
    const db = this.#db(session.accountId);
    const insert = db.insert(moduleSessions).values(session).onConflictDoNothing().returning({ id: moduleSessions.id });
    if (replaces === null) return { started: (await insert).length > 0, ended: null };
    const [ended, started] = await db.batch([this.#ending(db, replaces, session.createdAtMs), insert]);
    return { started: started.length > 0, ended: ended[0] ?? null };
  }

  async change(session: Pick<ModuleSessionRecord, "id" | "version">, changes: ModuleChanges): Promise<boolean> {
    const { id, version } = session;
    const changed = await this.#db(id)
      .update(moduleSessions)
      .set({ ...changes, version: version + 1 })
      .where(and(eq(moduleSessions.id, id), eq(moduleSessions.version, version), isNull(moduleSessions.endedAtMs)))
      .returning({ id: moduleSessions.id });
    return changed.length > 0;
  }

  async end(id: string, nowMs: number): Promise<ModuleSessionRecord | null> {
    const [ended] = await this.#ending(this.#db(id), id, nowMs);
    return ended ?? null;
  }

  #ending(db: Database, id: string, nowMs: number) {
    return db
      .update(moduleSessions)
      .set({ endedAtMs: nowMs, version: sql`${moduleSessions.version} + 1` })
      .where(and(eq(moduleSessions.id, id), isNull(moduleSessions.endedAtMs)))
      .returning();
  }
}
