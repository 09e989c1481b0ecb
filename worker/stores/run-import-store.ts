/**
 * Imports of runs that go on, in D1. Each batch asks in its own statements whether the import was given up, so that a
 * sender who comes back late and the sweep cannot both have their way.
 */
import { and, asc, between, eq, gt, lt, type SQL, sql } from "drizzle-orm";
import { FIRST_SHARD } from "../domain/ids";
import type { RunImport, RunImportStore } from "../domain/run-ports";
import type { RunRecord } from "../domain/runs";
import type { Database, Databases } from "./database";
import { ownedRuns } from "./run-filters";
import { insertedRuns } from "./run-inserts";
import { runImports, runs, runTags } from "./schema";

/** `seen_at_ms` of one that was given up. */
const GIVEN_UP = 0;

function going({ firstRunId }: RunImport): SQL | undefined {
  return and(eq(runImports.firstRunId, firstRunId), gt(runImports.seenAtMs, GIVEN_UP));
}

function isGoing(begun: RunImport): SQL {
  return sql`EXISTS (SELECT 1 FROM ${runImports} WHERE ${going(begun)})`;
}

function runsOf(begun: RunImport): SQL | undefined {
  return and(ownedRuns(begun), between(runs.id, begun.firstRunId, begun.lastRunId));
}

export class D1RunImportStore implements RunImportStore {
  readonly #db: Database;

  constructor(databases: Databases) {
    this.#db = databases(FIRST_SHARD);
  }

  async begin(begun: RunImport, added: RunRecord[], nowMs: number): Promise<void> {
    const known = this.#db.insert(runImports).values({ ...begun, seenAtMs: nowMs });
    await this.#db.batch([known, ...insertedRuns(this.#db, added)]);
  }

  async add(begun: RunImport, added: RunRecord[], nowMs: number): Promise<boolean> {
    const seen = this.#db
      .update(runImports)
      .set({ seenAtMs: nowMs })
      .where(going(begun))
      .returning({ id: runImports.firstRunId });
    const [rows] = await this.#db.batch([seen, ...insertedRuns(this.#db, added, isGoing(begun))]);
    return rows.length > 0;
  }

  async finish(begun: RunImport, added: RunRecord[]): Promise<boolean> {
    const ended = this.#db.delete(runImports).where(going(begun)).returning({ id: runImports.firstRunId });
    const [, , rows] = await this.#db.batch([...insertedRuns(this.#db, added, isGoing(begun)), ended]);
    return rows.length > 0;
  }

  async undo(begun: RunImport): Promise<void> {
    const { projectId, firstRunId, lastRunId } = begun;
    const theirTags = and(eq(runTags.projectId, projectId), between(runTags.runId, firstRunId, lastRunId));
    await this.#db.batch([
      this.#db.delete(runTags).where(theirTags),
      this.#db.delete(runs).where(runsOf(begun)),
      this.#db.delete(runImports).where(eq(runImports.firstRunId, firstRunId)),
    ]);
  }

  async silentSince(atMs: number, limit: number): Promise<RunImport[]> {
    return this.#db
      .select()
      .from(runImports)
      .where(lt(runImports.seenAtMs, atMs))
      .orderBy(asc(runImports.seenAtMs))
      .limit(limit);
  }

  async sweep(begun: RunImport, silentSinceMs: number, maxRuns: number): Promise<void> {
    const known = eq(runImports.firstRunId, begun.firstRunId);
    const givenUp = and(known, eq(runImports.seenAtMs, GIVEN_UP));
    const isGivenUp = sql`EXISTS (SELECT 1 FROM ${runImports} WHERE ${givenUp})`;
    const next = sql`SELECT id, tags FROM ${runs} WHERE ${runsOf(begun)} AND ${isGivenUp} ORDER BY id LIMIT ${maxRuns}`;
    await this.#db.batch([
      this.#db
        .update(runImports)
        .set({ seenAtMs: GIVEN_UP })
        .where(and(known, lt(runImports.seenAtMs, silentSinceMs))),
      // By their whole key, of the runs' own lists: the table has no index by run.
      this.#db.delete(runTags).where(
        sql`(project_id, tag, run_id) IN (
          SELECT ${begun.projectId}, tag.value, gone.id FROM (${next}) gone, json_each(gone.tags) tag)`,
      ),
      this.#db.delete(runs).where(sql`id IN (SELECT id FROM (${next}))`),
      this.#db.delete(runImports).where(and(givenUp, sql`NOT EXISTS (SELECT 1 FROM ${runs} WHERE ${runsOf(begun)})`)),
    ]);
  }
}
