/** Small facts of an object that have no table of their own, as text. */

/** Which of the migrations of schema.ts have run. */
export const VERSION_KEY = "schema_version";
/** Where an archived object's rows are (archive.ts). */
export const ARCHIVE_KEY = "archive";
/** An alarm does not bring the job's id. */
export const JOB_ID_KEY = "job_id";
/** Bytes of log text taken from all attempts: the quota is the job's. */
export const LOG_BYTES_KEY = "log_bytes";

export class Meta {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  get(key: string): string | null {
    return this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = ?", key).toArray()[0]?.value ?? null;
  }

  set(key: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value);
  }

  delete(key: string): void {
    this.#sql.exec("DELETE FROM meta WHERE key = ?", key);
  }
}
