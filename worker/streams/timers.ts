/**
 * Named points in time, of which the object's one alarm is always the earliest. `set` is only persistence: whoever moves a
 * timer in the alarm's own handler arms the alarm with `next()` at its end.
 */
export class Timers {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  /** Sets a timer, and the alarm with it. */
  arm(name: string, atMs: number): void {
    this.set(name, atMs);
    // Should this fail, the runtime resets the object, and the next call finds the timer in its row.
    void this.#storage.setAlarm(this.next() ?? atMs);
  }

  /** Sets a timer, or moves it. */
  set(name: string, atMs: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO timers VALUES (?, ?)", name, atMs);
  }

  clear(name: string): void {
    this.#sql.exec("DELETE FROM timers WHERE name = ?", name);
  }

  has(name: string): boolean {
    return this.#sql.exec("SELECT 1 FROM timers WHERE name = ?", name).toArray().length > 0;
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
