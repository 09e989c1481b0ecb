/**
 * The transition that is under way, written ahead of its D1 batch and deleted with its effects on this object. One that is
 * found after an error or a restart has an outcome that only D1 knows, by its `tid`.
 */
import type { JobCommand } from "../domain/job-state";

export interface Intent {
  tid: string;
  command: JobCommand;
  atMs: number;
}

export class IntentRow {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The object runs transitions one at a time: there is at most one. */
  get(): Intent | null {
    const row = this.#sql
      .exec<{ tid: string; command: string; at_ms: number }>("SELECT * FROM intent ORDER BY at_ms LIMIT 1")
      .toArray()[0];
    if (row === undefined) return null;
    return { tid: row.tid, command: JSON.parse(row.command) as JobCommand, atMs: row.at_ms };
  }

  /** Throws while another transition's outcome is unknown. */
  put(intent: Intent): void {
    const other = this.get();
    if (other !== null && other.tid !== intent.tid) throw new Error(`the intent ${other.tid} has not been settled`);
    this.#sql.exec(
      "INSERT OR REPLACE INTO intent VALUES (?, ?, ?)",
      intent.tid,
      JSON.stringify(intent.command),
      intent.atMs,
    );
  }

  delete(tid: string): void {
    this.#sql.exec("DELETE FROM intent WHERE tid = ?", tid);
  }
}
