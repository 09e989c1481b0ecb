/**
 * The metrics of a job: one wide row per (kind, step), numbered densely within its kind, so that a sample of a million
 * steps is a few hundred seeks. Rows that a later attempt has trained again are kept apart in `superseded`. Steps are
 * expected to rise; a late lower one is put in its place, which moves every row above it.
 */
import type { MetricsAnswer, MetricsQuery } from "../domain/ports";
import type { MetricKind } from "./items";
import { KeyTally, MetricKeys } from "./metric-keys";
import { MetricShapes } from "./metric-shapes";

export interface MetricRow {
  kind: MetricKind;
  step: number;
  attempt: number;
  tsMs: number;
  values: Record<string, number>;
}

/** Which steps of an attempt count, and which a later attempt has replaced. */
export interface AttemptRows {
  attempt: number;
  visible: { fromStep: number; toStep: number; rows: number } | null;
  superseded: { fromStep: number; toStep: number; rows: number } | null;
}

const KINDS: readonly MetricKind[] = ["train", "eval", "test", "system"];

/** A run has a handful of shapes; one whose keys are ever new ones has thousands, and a seek for each is too much. */
const MAX_SOUGHT_SHAPES = 32;

type Position = { n: number; step: number; attempt: number };

export class MetricStore {
  readonly #sql: SqlStorage;
  readonly #keys: MetricKeys;
  readonly #shapes: MetricShapes;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    this.#keys = new MetricKeys(storage);
    this.#shapes = new MetricShapes(storage);
  }

  /** Adds rows in order; a second row of a step adds its keys to the first. */
  add(rows: readonly MetricRow[]): void {
    const tally = new KeyTally();
    const tops = new Map<MetricKind, Position | null>();
    let fresh: (MetricRow & { n: number })[] = [];
    for (const row of rows) {
      if (Object.keys(row.values).length === 0) continue;
      const known = tops.get(row.kind);
      const top = known === undefined ? this.#top(row.kind) : known;
      if (top === null || row.step > top.step) {
        const n = (top?.n ?? 0) + 1;
        fresh.push({ ...row, n });
        tally.note(row.kind, row.step, row.values, Object.keys(row.values));
        tops.set(row.kind, { n, step: row.step, attempt: row.attempt });
      } else {
        this.#insert(fresh);
        fresh = [];
        this.#addBelow(top, row, tally);
        tops.set(row.kind, this.#top(row.kind));
      }
    }
    this.#insert(fresh);
    this.#keys.add(tally);
  }

  /** An attempt goes on from a step: what older ones logged beyond it is superseded, in every kind. Safe to repeat. */
  beginAttempt(attempt: number, resumedFromStep: number): void {
    for (const kind of KINDS) {
      const top = this.#top(kind);
      if (top === null || top.step <= resumedFromStep || top.attempt >= attempt) continue;
      const from = this.#firstN(kind, top.n, "step", resumedFromStep + 1);
      const moved = this.#keys.countFrom(kind, from);
      this.#sql.exec(
        `INSERT OR REPLACE INTO superseded (attempt, kind, step, ts, "values")
         SELECT attempt, kind, step, ts, "values" FROM points WHERE kind = ? AND n >= ?`,
        kind,
        from,
      );
      this.#sql.exec("DELETE FROM points WHERE kind = ? AND n >= ?", kind, from);
      this.#keys.remove(kind, moved);
    }
  }

  /** At most `maxPoints` rows spread over the range, the last one always among them. */
  query(query: MetricsQuery): MetricsAnswer {
    const kind = query.kind ?? "train";
    const top = this.#top(kind);
    const availableKeys = this.#keys.names(kind);
    if (top === null) return { points: [], availableKeys, latestStep: null };
    const { fromStep, toStep, everySteps = 1 } = query;
    const high = toStep === undefined ? top.n : this.#firstN(kind, top.n, "step", toStep + 1) - 1;
    const from = everySteps > 1 ? Math.max(fromStep ?? 0, everySteps) : fromStep;
    const low = from === undefined ? 1 : this.#firstN(kind, top.n, "step", from);
    // A run that has not come to its first such step shows its last row.
    const points = this.#sample(kind, everySteps > 1 ? Math.min(low, high) : low, high, query);
    return { points, availableKeys, latestStep: top.step };
  }

  /** Tells attempts apart: the steps of each that count, and those that do not any more. */
  attempts(kind: MetricKind = "train"): AttemptRows[] {
    const attempts = new Map<number, AttemptRows>();
    const top = this.#top(kind);
    for (let n = 1; top !== null && n <= top.n;) {
      const first = this.#at(kind, n);
      const next = this.#firstN(kind, top.n, "attempt", first.attempt + 1);
      const visible = { fromStep: first.step, toStep: this.#at(kind, next - 1).step, rows: next - n };
      attempts.set(first.attempt, { attempt: first.attempt, visible, superseded: null });
      n = next;
    }
    const rows = this.#sql.exec<{ attempt: number; fromStep: number; toStep: number; rows: number }>(
      `SELECT attempt, min(step) AS fromStep, max(step) AS toStep, count(*) AS rows
       FROM superseded WHERE kind = ? GROUP BY attempt`,
      kind,
    );
    for (const { attempt, ...superseded } of rows) {
      attempts.set(attempt, { attempt, visible: attempts.get(attempt)?.visible ?? null, superseded });
    }
    return [...attempts.values()].sort((a, b) => a.attempt - b.attempt);
  }

  #sample(
    kind: MetricKind,
    low: number,
    high: number,
    { maxPoints, keys, everySteps = 1, withTimes = false }: MetricsQuery,
  ): MetricsAnswer["points"] {
    const shapes = keys === undefined ? null : this.#shapes.having(kind, keys);
    const range = shapes === null ? { low, high } : this.#narrowed(kind, low, high, shapes);
    if (range === null || range.high < range.low || maxPoints < 1) return [];
    const last = range.high;
    const stride = everySteps * Math.ceil((last - range.low + 1) / (everySteps * maxPoints));
    // The grid low, low + stride, … gives up its final place when the last row is not on it and all places are taken.
    const places = Math.min(Math.floor((last - range.low) / stride) + 1, maxPoints);
    const lastOnGrid = range.low + (places - 1) * stride;
    const gridEnd = lastOnGrid === last || places === maxPoints ? lastOnGrid - stride : lastOnGrid;
    return this.#seek(kind, { low: range.low, gridEnd, stride, last }, shapes).map((row) => ({
      step: row.step,
      attempt: row.attempt,
      values: pick(JSON.parse(row.values) as Record<string, number>, keys),
      ...(withTimes ? { tsMs: row.ts } : {}),
    }));
  }

  /** One seek per place of the grid. With shapes a place stands for the first row up to the next place that has one. */
  #seek(
    kind: MetricKind,
    grid: { low: number; gridEnd: number; stride: number; last: number },
    shapes: readonly number[] | null,
  ): { step: number; attempt: number; ts: number; values: string }[] {
    const next = shapes !== null && shapes.length > MAX_SOUGHT_SHAPES ? SCANNED_NEXT : SOUGHT_NEXT;
    const row = shapes === null ? "p.n = grid.n" : `p.n = ${next} AND p.n < min(grid.n + ?3, ?4)`;
    return this.#sql
      .exec<{ step: number; attempt: number; ts: number; values: string }>(
        `WITH RECURSIVE grid(n) AS (SELECT ?1 WHERE ?1 <= ?2 UNION ALL SELECT n + ?3 FROM grid WHERE n + ?3 <= ?2)
         SELECT p.step, p.attempt, p.ts, p."values" AS "values" FROM grid CROSS JOIN points p ON p.kind = ?5 AND ${row}
         UNION ALL
         SELECT step, attempt, ts, "values" FROM points WHERE kind = ?5 AND n = ?4`,
        grid.low,
        grid.gridEnd,
        grid.stride,
        grid.last,
        kind,
        ...(shapes === null ? [] : [JSON.stringify(shapes)]),
      )
      .toArray();
  }

  /** A range from the first to the last row of one of the shapes. */
  #narrowed(
    kind: MetricKind,
    low: number,
    high: number,
    shapes: readonly number[],
  ): { low: number; high: number } | null {
    const ends = this.#sql
      .exec<{ low: number | null; high: number | null }>(
        `SELECT min((SELECT n FROM points WHERE kind = ?1 AND shape = s.value AND n >= ?2 ORDER BY n LIMIT 1)) AS low,
                max((SELECT n FROM points WHERE kind = ?1 AND shape = s.value AND n <= ?3 ORDER BY n DESC LIMIT 1)) AS high
         FROM json_each(?4) s`,
        kind,
        low,
        high,
        JSON.stringify(shapes),
      )
      .one();
    return ends.low === null || ends.high === null ? null : { low: ends.low, high: ends.high };
  }

  /** One statement for all rows: three times the rate of a statement for each. */
  #insert(rows: readonly (MetricRow & { n: number })[]): void {
    if (rows.length === 0) return;
    const shapeOf = this.#shapes.lookup();
    this.#sql.exec(
      `INSERT INTO points (kind, n, step, attempt, ts, shape, "values")
       SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value -> 6 FROM json_each(?)`,
      JSON.stringify(
        rows.map((row) => [
          row.kind,
          row.n,
          row.step,
          row.attempt,
          row.tsMs,
          shapeOf(row.kind, row.values),
          row.values,
        ]),
      ),
    );
  }

  /** A step that is there already, or was never logged although a later one was. */
  #addBelow(top: Position, row: MetricRow, tally: KeyTally): void {
    const n = this.#firstN(row.kind, top.n, "step", row.step);
    const there = this.#at(row.kind, n);
    if (there.step === row.step) {
      this.#merge(there, row, tally);
      return;
    }
    // Two updates, since n is a key and rows would run into each other.
    this.#sql.exec("UPDATE points SET n = -n - 1 WHERE kind = ? AND n >= ?", row.kind, n);
    this.#sql.exec("UPDATE points SET n = -n WHERE kind = ? AND n < 0", row.kind);
    this.#insert([{ ...row, n }]);
    tally.note(row.kind, row.step, row.values, Object.keys(row.values));
  }

  /** A later attempt takes the row over; how it was before stays in `superseded`. */
  #merge(there: Position, row: MetricRow, tally: KeyTally): void {
    if (there.attempt !== row.attempt) {
      this.#sql.exec(
        `INSERT OR REPLACE INTO superseded (attempt, kind, step, ts, "values")
         SELECT attempt, kind, step, ts, "values" FROM points WHERE kind = ? AND n = ?`,
        row.kind,
        there.n,
      );
    }
    const { values } = this.#sql
      .exec<{ values: string }>(`SELECT "values" FROM points WHERE kind = ? AND n = ?`, row.kind, there.n)
      .one();
    const before = JSON.parse(values) as Record<string, number>;
    const merged = { ...before, ...row.values };
    this.#sql.exec(
      `UPDATE points SET attempt = ?, ts = ?, shape = ?, "values" = ? WHERE kind = ? AND n = ?`,
      row.attempt,
      row.tsMs,
      this.#shapes.lookup()(row.kind, merged),
      JSON.stringify(merged),
      row.kind,
      there.n,
    );
    const fresh = Object.keys(row.values).filter((key) => !Object.hasOwn(before, key));
    tally.note(row.kind, row.step, row.values, fresh);
  }

  #top(kind: MetricKind): Position | null {
    return (
      this.#sql
        .exec<Position>("SELECT n, step, attempt FROM points WHERE kind = ? ORDER BY n DESC LIMIT 1", kind)
        .toArray()[0] ?? null
    );
  }

  #at(kind: MetricKind, n: number): Position {
    return this.#sql.exec<Position>("SELECT n, step, attempt FROM points WHERE kind = ? AND n = ?", kind, n).one();
  }

  /** Binary search: both columns rise with n. The first n whose column is at least `value`, or `top + 1`. */
  #firstN(kind: MetricKind, top: number, column: "step" | "attempt", value: number): number {
    let low = 1;
    let high = top + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#at(kind, middle)[column] >= value) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** The first row of a place in the grid, or later, that has one of the shapes (?6): one seek for each shape. */
const SOUGHT_NEXT = `(SELECT min((SELECT q.n FROM points q WHERE q.kind = ?5 AND q.shape = s.value AND q.n >= grid.n
  ORDER BY q.n LIMIT 1)) FROM json_each(?6) s)`;

/** The same for many shapes: the place's rows in their order; all places together read a row once. */
const SCANNED_NEXT = `(SELECT q.n FROM points q WHERE q.kind = ?5 AND q.n >= grid.n AND q.n < min(grid.n + ?3, ?4)
  AND +q.shape IN (SELECT value FROM json_each(?6)) ORDER BY q.n LIMIT 1)`;

function pick(values: Record<string, number>, keys: readonly string[] | undefined): Record<string, number> {
  if (keys === undefined) return values;
  return Object.fromEntries(Object.entries(values).filter(([key]) => keys.includes(key)));
}
