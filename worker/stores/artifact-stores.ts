/** Datasets, functions and checkpoints in D1; their bytes are in R2. */
import { and, asc, desc, eq, inArray, isNotNull, isNull, lt, lte, sql, type SQL } from "drizzle-orm";
import type { CheckpointRecord, DatasetRecord, FunctionRecord } from "../domain/artifacts";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import type { CheckpointStore, DatasetStore, FunctionStore, Page, PageRequest } from "../domain/ports";
import type { Database, Databases } from "./database";
import { pageLimit, toPage } from "./paging";
import { begunCheckpoints, checkpoints, datasets, functions, uploads } from "./schema";

export class D1DatasetStore implements DatasetStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  async create(dataset: DatasetRecord): Promise<void> {
    await this.#databases(shardOf(dataset.id)).insert(datasets).values(dataset);
  }

  async createFromUpload(dataset: DatasetRecord): Promise<boolean> {
    const db = this.#databases(shardOf(dataset.id));
    const d = dataset;
    const completed = and(eq(uploads.id, d.id), eq(uploads.state, "completed"));
    const [created] = await db.batch([
      // The columns in the order of the schema, as drizzle names them.
      db
        .insert(datasets)
        .select(
          sql`SELECT id, account_id, ${d.projectId}, ${d.name}, ${d.sourceType}, ${d.format}, ${JSON.stringify(d.columns)},
            ${d.numRows}, ${d.sizeBytes}, ${d.sha256}, ${d.r2Key}, ${d.createdAtMs}, ${d.fileName},
            ${d.profile === null ? null : JSON.stringify(d.profile)}, NULL
          FROM uploads WHERE ${completed}`,
        )
        .returning({ id: datasets.id }),
      db.update(uploads).set({ state: "used" }).where(completed),
    ]);
    return created.length > 0;
  }

  async get(accountId: string, id: string): Promise<DatasetRecord | null> {
    const where = and(eq(datasets.accountId, accountId), eq(datasets.id, id), isNull(datasets.deletedAtMs));
    return (await this.#databases(shardOf(accountId)).select().from(datasets).where(where).get()) ?? null;
  }

  async byIds(accountId: string, ids: string[]): Promise<DatasetRecord[]> {
    const db = this.#databases(shardOf(accountId));
    const reads = inBatches(ids).map((some) =>
      db
        .select()
        .from(datasets)
        .where(and(eq(datasets.accountId, accountId), inArray(datasets.id, some), isNull(datasets.deletedAtMs))),
    );
    return (await Promise.all(reads)).flat();
  }

  async newestNamed(accountId: string, projectId: string, name: string): Promise<DatasetRecord | null> {
    const ofProject = and(eq(datasets.accountId, accountId), eq(datasets.projectId, projectId));
    const row = await this.#databases(shardOf(accountId))
      .select()
      .from(datasets)
      .where(and(ofProject, eq(datasets.name, name), isNull(datasets.deletedAtMs)))
      .orderBy(desc(datasets.id))
      .limit(1)
      .get();
    return row ?? null;
  }

  async list(accountId: string, page: PageRequest, filter: { projectId?: string }): Promise<Page<DatasetRecord>> {
    const rows = await this.#databases(shardOf(accountId))
      .select()
      .from(datasets)
      .where(
        and(
          eq(datasets.accountId, accountId),
          filter.projectId === undefined ? undefined : eq(datasets.projectId, filter.projectId),
          isNull(datasets.deletedAtMs),
          page.after ? lt(datasets.id, page.after) : undefined,
        ),
      )
      .orderBy(desc(datasets.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }
}

export class D1FunctionStore implements FunctionStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  async create(fn: FunctionRecord): Promise<void> {
    await this.#databases(shardOf(fn.id)).insert(functions).values(fn);
  }

  async findTest(accountId: string, name: string): Promise<FunctionRecord | null> {
    const where = and(testsOf(accountId), eq(functions.name, name));
    return (await this.#databases(shardOf(accountId)).select().from(functions).where(where).get()) ?? null;
  }

  async listTests(accountId: string, limit: number): Promise<FunctionRecord[]> {
    return this.#databases(shardOf(accountId))
      .select()
      .from(functions)
      .where(testsOf(accountId))
      .orderBy(asc(functions.name))
      .limit(limit);
  }

  async get(accountId: string, id: string): Promise<FunctionRecord | null> {
    const where = and(eq(functions.accountId, accountId), eq(functions.id, id), isNull(functions.deletedAtMs));
    return (await this.#databases(shardOf(accountId)).select().from(functions).where(where).get()) ?? null;
  }

  async names(accountId: string, ids: string[]): Promise<Map<string, string>> {
    const db = this.#databases(shardOf(accountId));
    const reads = inBatches(ids).map((some) =>
      db
        .select({ id: functions.id, name: functions.name })
        .from(functions)
        .where(and(eq(functions.accountId, accountId), inArray(functions.id, some))),
    );
    return new Map((await Promise.all(reads)).flat().map(({ id, name }) => [id, name]));
  }

  async list(accountId: string, page: PageRequest): Promise<Page<FunctionRecord>> {
    const rows = await this.#databases(shardOf(accountId))
      .select()
      .from(functions)
      .where(
        and(
          eq(functions.accountId, accountId),
          isNull(functions.deletedAtMs),
          page.after ? lt(functions.id, page.after) : undefined,
        ),
      )
      .orderBy(desc(functions.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }
}

/** As the index of their names has them. */
function testsOf(accountId: string): SQL | undefined {
  return and(eq(functions.accountId, accountId), sql`format = 'test'`, isNull(functions.deletedAtMs));
}

/** A statement has at most 100 parameters. */
const IDS_A_STATEMENT = 90;

function inBatches(ids: string[]): string[][] {
  const count = Math.ceil(ids.length / IDS_A_STATEMENT);
  return Array.from({ length: count }, (_, n) => ids.slice(n * IDS_A_STATEMENT, (n + 1) * IDS_A_STATEMENT));
}

/** Written only inside a transition's batch (job-store.ts); here they are read and retired. */
export class D1CheckpointStore implements CheckpointStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(jobId: string): Database {
    return this.#databases(shardOf(jobId));
  }

  async list(jobId: string, page: PageRequest): Promise<Page<CheckpointRecord>> {
    const rows = await this.#db(jobId)
      .select()
      .from(checkpoints)
      .where(
        and(
          eq(checkpoints.jobId, jobId),
          eq(checkpoints.state, "committed"),
          page.after ? lt(checkpoints.id, page.after) : undefined,
        ),
      )
      .orderBy(desc(checkpoints.id))
      .limit(pageLimit(page));
    return toPage(rows, page);
  }

  async get(jobId: string, id: string): Promise<CheckpointRecord | null> {
    const where = and(eq(checkpoints.jobId, jobId), eq(checkpoints.id, id));
    return (await this.#db(jobId).select().from(checkpoints).where(where).get()) ?? null;
  }

  async byOrdinal(jobId: string, ordinal: number): Promise<CheckpointRecord | null> {
    const where = and(
      eq(checkpoints.jobId, jobId),
      eq(checkpoints.ordinal, ordinal),
      eq(checkpoints.state, "committed"),
    );
    return (await this.#db(jobId).select().from(checkpoints).where(where).get()) ?? null;
  }

  async newestResume(jobId: string): Promise<CheckpointRecord | null> {
    const [newest] = await this.#resumes(jobId, 1);
    return newest ?? null;
  }

  async resumesBeyond(jobId: string, keep: number): Promise<CheckpointRecord[]> {
    return (await this.#resumes(jobId, keep + 100)).slice(keep);
  }

  #resumes(jobId: string, limit: number): Promise<CheckpointRecord[]> {
    return this.#db(jobId)
      .select()
      .from(checkpoints)
      .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.kind, "resume"), eq(checkpoints.state, "committed")))
      .orderBy(desc(checkpoints.step), desc(checkpoints.id))
      .limit(limit)
      .all();
  }

  async withOrdinals(jobId: string): Promise<CheckpointRecord[]> {
    return this.#db(jobId)
      .select()
      .from(checkpoints)
      .where(and(eq(checkpoints.jobId, jobId), isNotNull(checkpoints.ordinal)))
      .orderBy(asc(checkpoints.ordinal));
  }

  async tests(jobId: string): Promise<CheckpointRecord[]> {
    return this.#db(jobId)
      .select()
      .from(checkpoints)
      .where(and(eq(checkpoints.jobId, jobId), eq(checkpoints.kind, "test"), eq(checkpoints.state, "committed")))
      .orderBy(asc(checkpoints.step));
  }

  async markBad(id: string): Promise<void> {
    await this.#change(id, { state: "bad", verifyAfterMs: null });
  }

  async markVerified(id: string): Promise<void> {
    await this.#change(id, { verifyAfterMs: null });
  }

  async takeUnverified(nowMs: number, nextMs: number, limit: number): Promise<{ id: string; jobId: string }[]> {
    const db = this.#databases(FIRST_SHARD);
    const due = db
      .select({ id: checkpoints.id })
      .from(checkpoints)
      .where(and(lte(checkpoints.verifyAfterMs, nowMs), isNotNull(checkpoints.verifyAfterMs)))
      .orderBy(asc(checkpoints.verifyAfterMs))
      .limit(limit);
    return db
      .update(checkpoints)
      .set({ verifyAfterMs: nextMs })
      .where(inArray(checkpoints.id, due))
      .returning({ id: checkpoints.id, jobId: checkpoints.jobId });
  }

  async #change(id: string, columns: Partial<CheckpointRecord>): Promise<void> {
    await this.#databases(shardOf(id)).update(checkpoints).set(columns).where(eq(checkpoints.id, id));
  }

  async markDeleted({ id, jobId, createdAtMs }: CheckpointRecord, prefix: string): Promise<void> {
    const db = this.#databases(shardOf(id));
    await db.batch([
      db.update(checkpoints).set({ state: "deleted", verifyAfterMs: null }).where(eq(checkpoints.id, id)),
      db
        .insert(begunCheckpoints)
        .values({ checkpointId: id, jobId, prefix, begunAtMs: createdAtMs })
        .onConflictDoNothing(),
    ]);
  }
}
