/**
 * What an upload's object keeps in its SQLite: which parts R2 has, and the bytes that are no whole part yet, in rows
 * below SQLite's 2 MB. Loss accepted: none; bytes are only told of once their rows are durable, which the runtime's output
 * gate sees to. An object lives for 7 days at most, so its tables are not migrated.
 */
import type { UploadFacts, UploadLocal } from "../domain/upload-ports";

const ROW_BYTES = 1024 * 1024;
const NO_FACTS: UploadFacts = { multipartId: null, sizeBytes: null, closed: false };

export class UploadRows implements UploadLocal {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS facts (id INTEGER PRIMARY KEY CHECK (id = 1), upload_id TEXT NOT NULL, body TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS parts (number INTEGER PRIMARY KEY, etag TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS tail (n INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL);
    `);
  }

  /** The upload that this object is of; null before the first call has said it. */
  uploadId(): string | null {
    return this.#sql.exec<{ upload_id: string }>("SELECT upload_id FROM facts").toArray()[0]?.upload_id ?? null;
  }

  setUploadId(id: string): void {
    this.#sql.exec("INSERT OR IGNORE INTO facts VALUES (1, ?, ?)", id, JSON.stringify(NO_FACTS));
  }

  facts(): UploadFacts {
    const row = this.#sql.exec<{ body: string }>("SELECT body FROM facts").toArray()[0];
    return row === undefined ? NO_FACTS : (JSON.parse(row.body) as UploadFacts);
  }

  setFacts(changes: Partial<UploadFacts>): void {
    this.#sql.exec("UPDATE facts SET body = ?", JSON.stringify({ ...this.facts(), ...changes }));
  }

  parts(): { number: number; etag: string }[] {
    return this.#sql.exec<{ number: number; etag: string }>("SELECT number, etag FROM parts ORDER BY number").toArray();
  }

  addPart(number: number, etag: string): void {
    this.#storage.transactionSync(() => {
      this.#sql.exec("INSERT INTO parts VALUES (?, ?)", number, etag);
      this.#sql.exec("DELETE FROM tail");
    });
  }

  tailBytes(): number {
    return this.#sql.exec<{ n: number }>("SELECT coalesce(sum(length(bytes)), 0) AS n FROM tail").one().n;
  }

  tail(): Uint8Array[] {
    const rows = this.#sql.exec<{ bytes: ArrayBuffer }>("SELECT bytes FROM tail ORDER BY n").toArray();
    return rows.map((row) => new Uint8Array(row.bytes));
  }

  appendTail(bytes: Uint8Array): void {
    this.#storage.transactionSync(() => {
      for (let at = 0; at < bytes.byteLength; at += ROW_BYTES) {
        this.#sql.exec("INSERT INTO tail (bytes) VALUES (?)", bytes.slice(at, at + ROW_BYTES));
      }
    });
  }

  clear(): void {
    this.#storage.transactionSync(() => {
      this.#sql.exec("DELETE FROM parts");
      this.#sql.exec("DELETE FROM tail");
    });
  }
}
