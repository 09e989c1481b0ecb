/**
 * What hibernation may not lose: which deployments an agent has ready, by its connection, and from where on streams are
 * numbered. An attachment of a socket has a bound, and an engine may have a thousand deployments.
 */

/** Numbers that are taken at once: a crash costs those that were not used. */
const RESERVED_NUMBERS = 1_000_000;
const MAX_NUMBER = 0xffff_ffff;

export class ConnectionRows {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS relay_ready
        (connection TEXT NOT NULL, deployment_id TEXT NOT NULL, PRIMARY KEY (connection, deployment_id)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS relay_numbers (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL);
    `);
  }

  readyOf(connection: string): Set<string> {
    const rows = this.#sql.exec<{ id: string }>(
      "SELECT deployment_id AS id FROM relay_ready WHERE connection = ?",
      connection,
    );
    return new Set([...rows].map((row) => row.id));
  }

  setReady(connection: string, deploymentId: string, isReady: boolean): void {
    const statement = isReady
      ? "INSERT OR IGNORE INTO relay_ready VALUES (?, ?)"
      : "DELETE FROM relay_ready WHERE connection = ? AND deployment_id = ?";
    this.#sql.exec(statement, connection, deploymentId);
  }

  /** Of a connection that is gone. */
  forget(connection: string): void {
    this.#sql.exec("DELETE FROM relay_ready WHERE connection = ?", connection);
  }

  /** Of all connections but these: a crash has closed the others without a word. */
  keepOnly(connections: string[]): void {
    this.#sql.exec(
      "DELETE FROM relay_ready WHERE connection NOT IN (SELECT value FROM json_each(?))",
      JSON.stringify(connections),
    );
  }

  /**
   * The first of numbers that no earlier life of the object has used: an agent may still work on a stream of that life, and
   * its answer would be taken for another's.
   */
  reserve(): { first: number; end: number } {
    const row = this.#sql.exec<{ next: number }>("SELECT next FROM relay_numbers").toArray()[0];
    const next = row?.next ?? 1;
    const first = next + RESERVED_NUMBERS > MAX_NUMBER ? 1 : next;
    this.#sql.exec("INSERT OR REPLACE INTO relay_numbers VALUES (1, ?)", first + RESERVED_NUMBERS);
    return { first, end: first + RESERVED_NUMBERS };
  }
}
