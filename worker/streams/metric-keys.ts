/**
 * The names under which a job has logged: which there are, how many visible rows have each, and its last value. Written
 * once per batch of rows, since a report of a thousand steps has the same few keys.
 */
import type { MetricKind } from "./items";

interface Tally {
  kind: MetricKind;
  name: string;
  count: number;
  firstStep: number;
  lastStep: number;
  last: number;
}

/** What a batch of rows adds to the keys. */
export class KeyTally {
  readonly #tallies = new Map<string, Tally>();

  /** Notes the values of a row; `fresh` are the keys that the row did not have before. */
  note(kind: MetricKind, step: number, values: Record<string, number>, fresh: readonly string[]): void {
    for (const [name, last] of Object.entries(values)) {
      const id = `${kind} ${name}`;
      const tally = this.#tallies.get(id) ?? { kind, name, count: 0, firstStep: step, lastStep: step, last };
      if (fresh.includes(name)) tally.count += 1;
      tally.firstStep = Math.min(tally.firstStep, step);
      if (step >= tally.lastStep) [tally.lastStep, tally.last] = [step, last];
      this.#tallies.set(id, tally);
    }
  }

  list(): Iterable<Tally> {
    return this.#tallies.values();
  }
}

export class MetricKeys {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** In the order in which they first appeared. */
  names(kind: MetricKind): string[] {
    return this.#sql
      .exec<{ name: string }>("SELECT name FROM keys WHERE kind = ? ORDER BY rowid", kind)
      .toArray()
      .map((row) => row.name);
  }

  add(tally: KeyTally): void {
    for (const { name, kind, count, firstStep, lastStep, last } of tally.list()) {
      this.#sql.exec(
        `INSERT INTO keys (name, kind, count, first_step, last_step, last) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (kind, name) DO UPDATE SET
           count = count + excluded.count,
           first_step = min(first_step, excluded.first_step),
           last = CASE WHEN excluded.last_step >= last_step THEN excluded.last ELSE last END,
           last_step = max(last_step, excluded.last_step)`,
        name,
        kind,
        count,
        firstStep,
        lastStep,
        last,
      );
    }
  }

  /** How many rows from n on have each key. */
  countFrom(kind: MetricKind, n: number): Map<string, number> {
    const counts = this.#sql.exec<{ name: string; count: number }>(
      `SELECT j.key AS name, count(*) AS count FROM points p, json_each(p."values") j
       WHERE p.kind = ? AND p.n >= ? GROUP BY j.key`,
      kind,
      n,
    );
    return new Map(counts.toArray().map((row) => [row.name, row.count]));
  }

  /** Takes rows off the counts, after they have gone; a key without any row is no longer one. */
  remove(kind: MetricKind, gone: Map<string, number>): void {
    for (const [name, count] of gone) {
      this.#sql.exec("UPDATE keys SET count = count - ? WHERE kind = ? AND name = ?", count, kind, name);
      const newest = this.#sql
        .exec<{ step: number; value: number }>(
          `SELECT p.step, j.value FROM points p CROSS JOIN json_each(p."values") j
           WHERE p.kind = ? AND j.key = ? ORDER BY p.n DESC LIMIT 1`,
          kind,
          name,
        )
        .toArray()[0];
      if (newest === undefined) continue;
      this.#sql.exec(
        "UPDATE keys SET last_step = ?, last = ? WHERE kind = ? AND name = ?",
        newest.step,
        newest.value,
        kind,
        name,
      );
    }
    this.#sql.exec("DELETE FROM keys WHERE kind = ? AND count <= 0", kind);
  }
}
