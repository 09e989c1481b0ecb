/**
 * Runs of another system, streamed in: memory holds one batch of them. All of an import or none of it is kept: its ids are
 * one range, which is taken away again when a row is wrong or the sender breaks off.
 */
import { actorOf, type Principal } from "../domain/accounts";
import { DomainError, loggable } from "../domain/errors";
import { IdRange } from "../domain/ids";
import { importedRun } from "../domain/imported-run";
import { jsonLines } from "../domain/json-lines";
import type { Clock, Ids, Later, RunOwner, RunStore } from "../domain/ports";
import { lineFault, type RowReader } from "../domain/row-reader";
import { MAX_RUN_BYTES, type RunRecord } from "../domain/runs";

/** D1 takes 2 MB in one parameter; a row is at most one of them. */
const BATCH_BYTES = 900_000;
const BATCH_ROWS = 5000;

export interface ImportPorts {
  runs: RunStore;
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

interface Pending {
  run: RunRecord;
  line: number;
  bytes: number;
}

class Import {
  readonly #ports: ImportPorts;
  readonly #owner: RunOwner;
  readonly #range: IdRange;
  readonly #reader: RowReader;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #kept = 0;
  readonly #environments = new Set<string>();
  readonly #parents = new Set<string>();

  constructor(ports: ImportPorts, principal: Principal) {
    this.#ports = ports;
    this.#owner = { accountId: principal.accountId, projectId: principal.projectId };
    this.#range = new IdRange(ports.ids.next());
    const given = { ...this.#owner, createdBy: actorOf(principal), nowMs: ports.clock.nowMs() };
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
        while (this.#pendingBytes > BATCH_BYTES || this.#pending.length > BATCH_ROWS) await this.#keep();
      }
      this.#reader.end();
      while (this.#pending.length > 0) await this.#keep();
    } catch (error) {
      throw await this.#undone(error);
    }
    if (this.#kept === 0) throw new DomainError("invalid_request", "the body has no rows");
    return { count: this.#kept, ids: Array.from({ length: this.#kept }, (_, n) => this.#range.at(n)) };
  }

  /** One batch of those that wait. */
  async #keep(): Promise<void> {
    let bytes = 0;
    const beyond = this.#pending.findIndex((next) => (bytes += next.bytes) > BATCH_BYTES);
    const batch = this.#pending.splice(0, Math.min(BATCH_ROWS, Math.max(1, beyond === -1 ? Infinity : beyond)));
    this.#pendingBytes -= batch.reduce((sum, next) => sum + next.bytes, 0);
    await this.#checkReferences(batch);
    await this.#ports.runs.add(batch.map(({ run }) => run));
    this.#kept += batch.length;
  }

  async #checkReferences(batch: Pending[]): Promise<void> {
    const { accountId, projectId } = this.#owner;
    const { runs } = this.#ports;
    await check(
      batch,
      ({ environmentId }) => environmentId,
      this.#environments,
      "environment",
      (ids) => runs.environments(this.#owner, ids),
    );
    await check(
      batch,
      ({ parentId }) => parentId,
      this.#parents,
      "parent",
      (ids) => runs.existing(accountId, projectId, ids),
    );
  }

  /** The error to answer with, which says that nothing was kept, or what was. */
  async #undone(error: unknown): Promise<DomainError> {
    const known = error instanceof DomainError ? error : null;
    if (known === null) console.error("an import broke off", loggable(error));
    const why = known?.message ?? "the import broke off";
    try {
      if (this.#range.count > 0) await this.#ports.runs.removeRange(this.#owner, this.#range.first, this.#range.last);
    } catch (undoing) {
      console.error("an import could not be taken away again", loggable(undoing));
      const left = `${String(this.#kept)} rows or somewhat more were kept and could not be taken away again`;
      return new DomainError("unavailable", `${why}; ${left}: those with ids from ${this.#range.first}`);
    }
    const { line } = known?.detail ?? {};
    return new DomainError(known?.code ?? "unavailable", `${why}; none of the rows was kept`, {
      ...(line === undefined ? {} : { line }),
    });
  }
}

/** Throws naming the first line that refers to something which is not there; `known` grows. */
async function check(
  batch: Pending[],
  idOf: (run: RunRecord) => string | null,
  known: Set<string>,
  field: string,
  existing: (ids: string[]) => Promise<string[]>,
): Promise<void> {
  const asked = new Set(batch.map(({ run }) => idOf(run)).filter((id) => id !== null && !known.has(id)));
  if (asked.size === 0) return;
  for (const id of await existing([...asked] as string[])) known.add(id);
  const wrong = batch.find(({ run }) => {
    const id = idOf(run);
    return id !== null && !known.has(id);
  });
  if (wrong)
    throw lineFault(wrong.line, `is wrong in ${field}: there is no such ${field === "parent" ? "run" : "environment"}`);
}
