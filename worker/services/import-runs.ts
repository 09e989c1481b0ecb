/**
 * Runs of another system, streamed in: memory holds one batch of them. All of an import or none of it is kept: its ids are
 * one range, which is taken away again when a row is wrong or the sender breaks off, and by the sweep when the worker died.
 * Nobody sees any of them before the last batch.
 */
import { actorOf, type Principal } from "../domain/accounts";
import { DomainError, loggable } from "../domain/errors";
import { IdRange } from "../domain/ids";
import { importedRun } from "../domain/imported-run";
import { jsonLines } from "../domain/json-lines";
import type { Clock, Ids, Later, RunImport, RunImportStore, RunStore } from "../domain/ports";
import { lineFault, type RowReader } from "../domain/row-reader";
import { MAX_RUN_BYTES } from "../domain/runs";
import { ImportReferences, type ImportedRow } from "./import-references";

/** D1 takes 2 MB in one parameter; a row is at most one of them. */
const BATCH_BYTES = 900_000;
const BATCH_ROWS = 5000;

export interface ImportPorts {
  runs: RunStore;
  runImports: RunImportStore;
  ids: Ids;
  clock: Clock;
  later: Later;
}

export interface ImportedRuns {
  count: number;
  /** In the order of the rows. */
  ids: string[];
}

export async function importRuns(
  ports: ImportPorts,
  principal: Principal,
  chunks: AsyncIterable<Uint8Array>,
): Promise<ImportedRuns> {
  const importing = new Import(ports, principal);
  const work = importing.run(chunks);
  // A sender that goes away takes its request with it, but not what is to be taken away again.
  ports.later(work.then(() => null).catch(() => null));
  return work;
}

interface Pending extends ImportedRow {
  bytes: number;
}

class Import {
  readonly #ports: ImportPorts;
  readonly #range: IdRange;
  readonly #itself: RunImport;
  readonly #references: ImportReferences;
  readonly #reader: RowReader;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #kept = 0;
  /** The sweep knows of it. */
  #isKnown = false;

  constructor(ports: ImportPorts, principal: Principal) {
    this.#ports = ports;
    const owner = { accountId: principal.accountId, projectId: principal.projectId };
    this.#range = new IdRange(ports.ids.next());
    this.#itself = { ...owner, firstRunId: this.#range.first, lastRunId: this.#range.last };
    this.#references = new ImportReferences(ports.runs, owner);
    const given = { ...owner, createdBy: actorOf(principal), nowMs: ports.clock.nowMs() };
    this.#reader = jsonLines((row, line) => {
      const run = importedRun(row, line, { ...given, id: this.#range.next() });
      const bytes = Buffer.byteLength(JSON.stringify(run));
      if (bytes > MAX_RUN_BYTES) throw lineFault(line, "is longer than 1 MiB");
      this.#pending.push({ run, line, bytes });
      this.#pendingBytes += bytes;
    });
  }

  async run(chunks: AsyncIterable<Uint8Array>): Promise<ImportedRuns> {
    try {
      for await (const chunk of chunks) {
        this.#reader.push(chunk);
        while (this.#isFull()) await this.#keep();
      }
      this.#reader.end();
      while (this.#pending.length > 0) await this.#keep();
    } catch (error) {
      throw await this.#undone(error);
    }
    if (this.#kept === 0) throw new DomainError("invalid_request", "the body has no rows");
    return { count: this.#kept, ids: Array.from({ length: this.#kept }, (_, n) => this.#range.at(n)) };
  }

  /** A batch may go and a row is left: the last of an import goes when it has ended. */
  #isFull(): boolean {
    return this.#pending.length > 1 && (this.#pendingBytes > BATCH_BYTES || this.#pending.length > BATCH_ROWS);
  }

  /** One batch of those that wait; with none left, the last. */
  async #keep(): Promise<void> {
    let bytes = 0;
    const beyond = this.#pending.findIndex((next) => (bytes += next.bytes) > BATCH_BYTES);
    const batch = this.#pending.splice(0, Math.min(BATCH_ROWS, Math.max(1, beyond === -1 ? Infinity : beyond)));
    this.#pendingBytes -= batch.reduce((sum, next) => sum + next.bytes, 0);
    await this.#references.check(batch);
    const added = batch.map(({ run }) => run);
    const { runs, runImports, clock } = this.#ports;
    const isFirst = this.#kept === 0;
    const isLast = this.#pending.length === 0;
    // From before the answer to the last one on nobody can tell whether the sweep still knows of it.
    this.#isKnown = !isLast;
    let isGoing = true;
    if (isFirst && isLast) await runs.add(added);
    else if (isFirst) await runImports.begin(this.#itself, added, clock.nowMs());
    else if (isLast) isGoing = await runImports.finish(this.#itself, added);
    else isGoing = await runImports.add(this.#itself, added, clock.nowMs());
    if (!isGoing) throw new DomainError("unavailable", "too little came in half an hour, and the import was given up");
    this.#kept += batch.length;
  }

  /** The error to answer with, which says that nothing was kept, or what was. */
  async #undone(error: unknown): Promise<DomainError> {
    const known = error instanceof DomainError ? error : null;
    if (known === null) console.error("an import broke off", loggable(error));
    const why = known?.message ?? "the import broke off";
    try {
      if (this.#range.count > 0) await this.#ports.runImports.undo(this.#itself);
    } catch (undoing) {
      console.error("an import could not be taken away again", loggable(undoing));
      return new DomainError("unavailable", `${why}; ${this.#left()}`);
    }
    const { line } = known?.detail ?? {};
    return new DomainError(known?.code ?? "unavailable", `${why}; none of the rows was kept`, {
      ...(line === undefined ? {} : { line }),
    });
  }

  #left(): string {
    if (this.#isKnown)
      return "what was kept could not be taken away at once; nobody sees it, and it goes in half an hour or somewhat more";
    return `its rows may have been kept and could not be taken away again: those with ids from ${this.#range.first}`;
  }
}
