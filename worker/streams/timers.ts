/**
 * Named points in time, of which the object's one alarm is always the earliest. Only persistence: whoever changes a timer
 * arms the alarm with `next()`, and arms it again after every alarm.
 */
export class Timers {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** Sets a timer, or moves it. */
  set(name: string, atMs: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO timers VALUES (?, ?)", name, atMs);
  }

  clear(name: string): void {
    this.#sql.exec("DELETE FROM timers WHERE name = ?", name);
  }

  /** What has come due, earliest first. It stays due until it is moved or cleared. */
  due(nowMs: number): { name: string; atMs: number }[] {
    return this.#sql
      .exec<{ name: string; at_ms: number }>("SELECT * FROM timers WHERE at_ms <= ? ORDER BY at_ms, name", nowMs)
      .toArray()
      .map((row) => ({ name: row.name, atMs: row.at_ms }));
  }

  /** When the alarm has to ring; null when nothing is set. */
  next(): number | null {
    return this.#sql.exec<{ at_ms: number | null }>("SELECT min(at_ms) AS at_ms FROM timers").one().at_ms;
  }
}
