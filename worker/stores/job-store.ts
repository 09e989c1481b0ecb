/**
 * Jobs, their tasks and their history. `apply` is the only writer of a status: a guarded update, and in the same batch
 * everything that hangs on it, each row guarded by the transition's id (design/authority.md).
 */
import { and, asc, desc, eq, gt, inArray, isNull, lt, type SQL, sql } from "drizzle-orm";
import type { TaskKind } from "../../protocol";
import type { AgentPrincipal, SlotOffer } from "../domain/agents";
import { DomainError } from "../domain/errors";
import { FIRST_SHARD, shardOf } from "../domain/ids";
import { heldAfter } from "../domain/held-time";
import type { JobEvent, JobRecord } from "../domain/job";
import { isLive, isTerminal, type Decision } from "../domain/job-state";
import { UNENDED_STATUSES } from "../domain/job-status";
import type { IdempotencyRecord, JobFilter, JobStore, Page, PageRequest, TransitionWrite } from "../domain/ports";
import type { Database, Databases } from "./database";
import { joinedJob, taskState, toJob, toRows, type JoinedJob } from "./job-rows";
import { pageLimit, toPage } from "./paging";
import { checkpoints, idempotencyKeys, jobEvents, jobs, tasks } from "./schema";

/** What one request can cancel. */
const MAX_UNENDED = 100;

export class D1JobStore implements JobStore {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  #db(id: string): Database {
    return this.#databases(shardOf(id));
  }

  async create(job: JobRecord, event: JobEvent, tid: string, idempotency: IdempotencyRecord | null): Promise<void> {
    const db = this.#db(job.id);
    const rows = toRows(job);
    const created = db.insert(jobEvents).values({ jobId: job.id, version: 0, seq: 0, tid, ...event });
    const inserts = [db.insert(jobs).values(rows.job), db.insert(tasks).values(rows.task), created] as const;
    if (!idempotency) {
      await db.batch([...inserts]);
      return;
    }
    await db.batch([db.insert(idempotencyKeys).values(idempotency), ...inserts]);
  }

  async findIdempotent(accountId: string, route: string, key: string): Promise<IdempotencyRecord | null> {
    const where = and(
      eq(idempotencyKeys.accountId, accountId),
      eq(idempotencyKeys.route, route),
      eq(idempotencyKeys.key, key),
    );
    return (await this.#db(accountId).select().from(idempotencyKeys).where(where).get()) ?? null;
  }

  async get(accountId: string, id: string): Promise<JobRecord | null> {
    if (shardOf(id) !== FIRST_SHARD) return null;
    const row = await this.#selectJob(id, and(eq(jobs.accountId, accountId), isNull(jobs.deletedAtMs))).get();
    return row ? toJob(row) : null;
  }

  async unendedOfKeys(accountId: string, routes: readonly string[], keyPrefix: string): Promise<JobRecord[]> {
    const rows = await this.#db(accountId)
      .select(joinedJob)
      .from(idempotencyKeys)
      .innerJoin(jobs, eq(jobs.id, idempotencyKeys.resourceId))
      .innerJoin(tasks, eq(tasks.id, jobs.id))
      .where(
        and(
          ...[eq(idempotencyKeys.accountId, accountId), inArray(idempotencyKeys.route, [...routes])],
          // A range of the primary key. What follows the prefix is ASCII.
          ...[gt(idempotencyKeys.key, keyPrefix), lt(idempotencyKeys.key, `${keyPrefix}\u{7f}`)],
          ...[inArray(jobs.status, UNENDED_STATUSES), isNull(jobs.deletedAtMs)],
        ),
      )
      .limit(MAX_UNENDED);
    return rows.map(toJob);
  }

  async load(id: string): Promise<JobRecord | null> {
    if (shardOf(id) !== FIRST_SHARD) return null;
    const row = await this.#selectJob(id).get();
    return row ? toJob(row) : null;
  }

  #selectJob(id: string, condition?: SQL) {
    const where = and(eq(jobs.id, id), condition);
    return this.#db(id).select(joinedJob).from(jobs).innerJoin(tasks, eq(tasks.id, jobs.id)).where(where);
  }

  async list(accountId: string, filter: JobFilter, page: PageRequest): Promise<Page<JobRecord>> {
    const conditions: (SQL | undefined)[] = [
      eq(jobs.accountId, accountId),
      isNull(jobs.deletedAtMs),
      eq(tasks.kind, filter.kind ?? "train"),
      filter.statuses ? inArray(jobs.status, filter.statuses) : undefined,
      filter.method ? sql`${jobs.method} = ${filter.method}` : undefined,
      filter.projectId ? eq(jobs.projectId, filter.projectId) : undefined,
      page.after ? lt(jobs.id, page.after) : undefined,
    ];
    const rows = await this.#db(accountId)
      .select(joinedJob)
      .from(jobs)
      .innerJoin(tasks, eq(tasks.id, jobs.id))
      .where(and(...conditions))
      .orderBy(desc(jobs.id))
      .limit(pageLimit(page));
    return toPage(rows.map(toJob), page);
  }

  async newestSuccess(
    accountId: string,
    projectId: string,
    name: string,
    kind: TaskKind = "train",
  ): Promise<JobRecord | null> {
    const row = await this.#db(accountId)
      .select(joinedJob)
      .from(jobs)
      .innerJoin(tasks, eq(tasks.id, jobs.id))
      .where(
        and(
          ...[eq(jobs.accountId, accountId), eq(jobs.projectId, projectId), eq(jobs.outputName, name)],
          ...[eq(jobs.status, "completed"), isNull(jobs.deletedAtMs), eq(tasks.kind, kind)],
        ),
      )
      .orderBy(desc(jobs.id))
      .limit(1)
      .get();
    return row ? toJob(row) : null;
  }

  async highestNumber(accountId: string, projectId: string, prefix: string): Promise<number> {
    // GLOB with a known beginning is a range of the index. Longer numbers are somebody's own.
    const number = sql`substr(${jobs.outputName}, ${prefix.length + 1})`;
    const row = await this.#db(accountId)
      .select({ highest: sql<number | null>`max(CAST(${number} AS INTEGER))` })
      .from(jobs)
      .where(
        and(
          ...[eq(jobs.accountId, accountId), eq(jobs.projectId, projectId)],
          sql`${jobs.outputName} GLOB ${`${prefix}[0-9]*`}`,
          sql`${number} NOT GLOB '*[^0-9]*' AND length(${number}) <= 9`,
        ),
      )
      .get();
    return row?.highest ?? 0;
  }

  async apply(job: JobRecord, write: TransitionWrite): Promise<JobRecord> {
    const db = this.#db(job.id);
    const { decision, tid, nowMs } = write;
    const version = job.version + (decision.events.length > 0 ? 1 : 0);
    const asItWas = and(
      eq(jobs.version, job.version),
      eq(jobs.status, job.status),
      sql`${jobs.pauseRequestedAtMs} IS ${job.pauseRequestedAtMs}`,
    );
    const update = db
      .update(jobs)
      .set({ ...changedColumns(job, write), version, lastTid: tid, updatedAtMs: nowMs })
      .where(and(eq(jobs.id, job.id), asItWas));
    const task = db
      .update(tasks)
      .set({ state: taskState(decision.status), ...decision.task })
      .where(and(eq(tasks.id, job.task.id), sql`EXISTS ${wrote(job.id, tid)}`));
    const events = decision.events.map((event, seq) =>
      db.insert(jobEvents)
        .select(sql`SELECT id, version, ${seq}, ${tid}, ${event.type}, ${JSON.stringify(event.metadata)}, ${nowMs}
        FROM jobs WHERE id = ${job.id} AND last_tid = ${tid}`),
    );
    const checkpoint = write.checkpoint ? [insertCheckpoint(db, write)] : [];
    const results = await db.batch([update, task, ...events, ...checkpoint, this.#selectJob(job.id)]);
    const rows = results.at(-1) as JoinedJob[];
    if (!rows[0]) throw new DomainError("not_found", "job not found");
    return toJob(rows[0]);
  }

  async committed(jobId: string, tid: string): Promise<boolean> {
    const where = and(eq(jobEvents.tid, tid), eq(jobEvents.seq, 0));
    return (await this.#db(jobId).select({ tid: jobEvents.tid }).from(jobEvents).where(where).get()) !== undefined;
  }

  async eventsSince(jobId: string, version: number): Promise<JobEvent[]> {
    return this.#db(jobId)
      .select({ type: jobEvents.type, metadata: jobEvents.metadata, atMs: jobEvents.atMs })
      .from(jobEvents)
      .where(and(eq(jobEvents.jobId, jobId), gt(jobEvents.version, version)))
      .orderBy(asc(jobEvents.version), asc(jobEvents.seq));
  }

  async heldBy(agentId: string): Promise<string[]> {
    const rows = await this.#databases(FIRST_SHARD)
      .select({ id: tasks.id })
      .from(tasks)
      .where(and(eq(tasks.agentId, agentId), sql`state = 'leased'`));
    return rows.map((row) => row.id);
  }

  async touchTicked(id: string, nowMs: number): Promise<void> {
    await this.#db(id).update(jobs).set({ tickedAtMs: nowMs }).where(eq(jobs.id, id));
  }

  async touchSeen(id: string, nowMs: number): Promise<void> {
    await this.#db(id).update(jobs).set({ seenAtMs: nowMs }).where(eq(jobs.id, id));
  }

  async claimable(
    { agentId, accountId }: Pick<AgentPrincipal, "agentId" | "accountId">,
    offers: SlotOffer[],
    substitute: boolean,
    limit: number,
  ): Promise<string[]> {
    const own = fitting(
      offers.filter((offer) => offer.serveBytes === null),
      substitute,
    );
    const shared = fitting(
      offers.filter((offer) => offer.serveBytes !== null),
      substitute,
    );
    const serveBytes = Math.max(0, ...offers.map((offer) => offer.serveBytes ?? 0));
    const fits = [
      ...(own ? [sql`(${tasks.serveBytes} IS NULL AND ${own})`] : []),
      ...(shared ? [sql`(${tasks.serveBytes} <= ${serveBytes} AND ${shared} AND ${isOfOtherEngine(agentId)})`] : []),
    ];
    if (fits.length === 0) return [];
    const rows = await this.#databases(FIRST_SHARD)
      .select({ id: tasks.id })
      .from(tasks)
      .where(
        and(
          eq(tasks.state, sql`'queued'`),
          accountId === null ? undefined : eq(tasks.accountId, accountId),
          sql`(${tasks.provider} IS NULL OR ${tasks.provider} = 'local')`,
          sql`(${sql.join(fits, sql` OR `)})`,
        ),
      )
      .orderBy(asc(tasks.id))
      .limit(limit);
    return rows.map((row) => row.id);
  }

  async overdue(tickedBeforeMs: number, seenBeforeMs: number, limit: number): Promise<string[]> {
    const db = this.#databases(FIRST_SHARD);
    const [queued, live] = await db.batch([
      db
        .select({ id: jobs.id })
        .from(jobs)
        .where(and(sql`status = 'queued'`, lt(jobs.tickedAtMs, tickedBeforeMs)))
        .orderBy(asc(jobs.tickedAtMs))
        .limit(limit),
      db
        .select({ id: jobs.id })
        .from(jobs)
        .where(and(sql`status IN ('provisioning', 'running', 'testing')`, lt(jobs.seenAtMs, seenBeforeMs)))
        .orderBy(asc(jobs.seenAtMs))
        .limit(limit),
    ]);
    return [...queued, ...live].map((row) => row.id);
  }
}

/** A queued serve task, seen by an agent: it holds none of the same engine. */
function isOfOtherEngine(agentId: string): SQL {
  return sql`(SELECT json_extract(spec, '$.serve.engine_id') FROM jobs WHERE jobs.id = tasks.id) NOT IN
    (SELECT json_extract(j.spec, '$.serve.engine_id') FROM tasks AS held JOIN jobs AS j ON j.id = held.id
      WHERE held.agent_id = ${agentId} AND held.state = 'leased' AND held.serve_bytes IS NOT NULL)`;
}

/** The columns of `jobs` that a decision changes. */
function changedColumns(
  job: JobRecord,
  { decision, nowMs, outageMs, progress }: TransitionWrite,
): Partial<typeof jobs.$inferInsert> {
  return {
    status: decision.status,
    progress,
    ...(decision.reason ? { reason: decision.reason } : {}),
    ...(decision.reasonMessage === undefined ? {} : { reasonMessage: decision.reasonMessage }),
    ...(decision.logTail ? { logTail: decision.logTail } : {}),
    ...(decision.provider === undefined ? {} : { provider: decision.provider }),
    ...(decision.gpu ? { gpuType: decision.gpu.type, gpuCount: decision.gpu.count } : {}),
    ...(decision.lostInARow === undefined ? {} : { lostInARow: decision.lostInARow }),
    ...(decision.finalCheckpointId ? { finalCheckpointId: decision.finalCheckpointId } : {}),
    ...heldAfter(job, decision.status, nowMs, outageMs),
    pauseRequestedAtMs: pauseWish(job, decision, nowMs),
    ...(decision.started && job.startedAtMs === null ? { startedAtMs: nowMs } : {}),
    ...(decision.status === "provisioning" ? { seenAtMs: nowMs } : {}),
    ...(decision.status === "queued" ? { tickedAtMs: nowMs } : {}),
    ...(isTerminal(decision.status) ? { completedAtMs: nowMs } : {}),
  };
}

/** A wish stands until it is withdrawn or no agent holds the job. */
function pauseWish(job: JobRecord, { status, pauseRequested }: Decision, nowMs: number): number | null {
  if (!isLive(status)) return null;
  if (pauseRequested === undefined) return job.pauseRequestedAtMs;
  return pauseRequested ? (job.pauseRequestedAtMs ?? nowMs) : null;
}

/** True inside the batch only if this transition's update took effect. */
function wrote(jobId: string, tid: string): SQL {
  return sql`(SELECT 1 FROM jobs WHERE id = ${jobId} AND last_tid = ${tid})`;
}

function insertCheckpoint(db: Database, { checkpoint, tid }: TransitionWrite) {
  if (!checkpoint) throw new Error("no checkpoint to insert");
  const c = checkpoint;
  // The columns in the order of the schema, as drizzle names them.
  return db.insert(checkpoints)
    .select(sql`SELECT ${c.id}, id, account_id, ${c.attempt}, ${c.kind}, ${c.step}, ${c.epoch}, ${c.ordinal}, ${c.manifestKey},
      ${c.manifestSha256}, ${c.modelSha256}, ${c.modelKey}, ${c.modelSizeBytes}, ${c.sizeBytes}, ${c.state}, ${c.createdAtMs},
      ${c.verifyAfterMs}, ${c.results === null ? null : JSON.stringify(c.results)}
    FROM jobs WHERE id = ${c.jobId} AND last_tid = ${tid}`);
}

/** Whether a task's GPUs are among those of `offers`; null: nothing is. One condition a type, since a statement has at most 100 parameters. */
function fitting(offers: SlotOffer[], substitute: boolean): SQL | null {
  if (offers.length === 0) return null;
  if (substitute) return sql`true`;
  const counts = new Map<string, number>();
  for (const { gpuType, gpuCount } of offers) {
    if (gpuType !== null) counts.set(gpuType, Math.max(gpuCount, counts.get(gpuType) ?? 0));
  }
  const types = [...counts].map(([type, count]) => sql`(${tasks.gpuType} = ${type} AND ${tasks.gpuCount} <= ${count})`);
  return types.length === 0 ? null : sql`(${sql.join(types, sql` OR `)})`;
}
