/**
 * The shapes of metric rows: which set of keys a row has. A run has a handful of them (every step; every step with an
 * evaluation), so an index by shape finds the rows of a rare key without looking into any other.
 */
import type { MetricKind } from "./items";

export class MetricShapes {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The shapes of a batch of rows, which mostly have the same keys in the same order. */
  lookup(): (kind: MetricKind, values: Record<string, number>) => number {
    const known = new Map<string, number>();
    return (kind, values) => {
      const names = Object.keys(values);
      const name = `${kind} ${JSON.stringify(names)}`;
      const shape = known.get(name) ?? this.#shapeOf(kind, JSON.stringify(names.sort()));
      known.set(name, shape);
      return shape;
    };
  }

  /** The shapes that have one of the keys; null when all have. */
  having(kind: MetricKind, keys: readonly string[]): number[] | null {
    const shapes = this.#sql
      .exec<{ id: number; has: number }>(
        `SELECT id, EXISTS (SELECT 1 FROM json_each(shapes.keys) k JOIN json_each(?) w ON k.value = w.value) AS has
         FROM shapes WHERE kind = ?`,
        JSON.stringify(keys),
        kind,
      )
      .toArray();
    const having = shapes.filter((shape) => shape.has === 1).map((shape) => shape.id);
    return having.length === shapes.length ? null : having;
  }

  #shapeOf(kind: MetricKind, keys: string): number {
    this.#sql.exec("INSERT OR IGNORE INTO shapes (kind, keys) VALUES (?, ?)", kind, keys);
    return this.#sql.exec<{ id: number }>("SELECT id FROM shapes WHERE kind = ? AND keys = ?", kind, keys).one().id;
  }
}
