/**
 * The rows of an object as files: lines that each hold some rows of one table, so that a line is one statement when it
 * comes back. Tables are read page by page by their keys, and nothing is ever held whole.
 */
import { ARCHIVE_KEY, JOB_ID_KEY, VERSION_KEY } from "./meta";

type Value = string | number | null;

export interface Batch {
  table: string;
  columns: string[];
  rows: Value[][];
}

interface Table {
  name: string;
  /** What rows are ordered by; a rowid that is listed is kept, since it says which key was first. */
  key: readonly string[];
  /** Of any size, and without fractions, which SQLite may read from JSON a little differently. */
  isBulk?: boolean;
  /** Rows that belong to the object's being there. */
  except?: string;
}

const KEPT_META = `key IN ('${VERSION_KEY}', '${ARCHIVE_KEY}', '${JOB_ID_KEY}')`;

/** Closed with the stream. */
export const STREAM_TABLES: readonly Table[] = [
  { name: "points", key: ["kind", "n"], isBulk: true },
  { name: "superseded", key: ["kind", "attempt", "step"], isBulk: true },
  { name: "frames", key: ["id"], isBulk: true },
  { name: "segments", key: ["first"] },
  { name: "keys", key: ["rowid"] },
  { name: "shapes", key: ["id"] },
];

/** Of a few rows, which may still change after the end. */
export const OBJECT_TABLES: readonly Table[] = [
  { name: "lane", key: ["epoch", "lane"] },
  { name: "lease", key: ["epoch"] },
  { name: "intent", key: ["tid"] },
  { name: "timers", key: ["name"], except: "name = 'archive'" },
  { name: "meta", key: ["key"], except: KEPT_META },
];

/** A parameter of a statement may have 2 MB, and a row nearly as much. */
const BATCH_BYTES = 256 * 1024;

/** The rows of some tables as lines, in an order that depends on nothing but the rows. */
export function* linesOf(sql: SqlStorage, tables: readonly Table[]): Generator<string> {
  for (const table of tables) {
    for (let after: Value[] | null = null; ;) {
      const batch = readBatch(sql, table, after);
      const last = batch.rows.at(-1);
      if (last === undefined) break;
      yield `${JSON.stringify(batch)}\n`;
      after = table.key.map((column) => last[batch.columns.indexOf(column)] ?? null);
    }
  }
}

/** Puts a line's rows back. */
export function insertLine(sql: SqlStorage, line: string): void {
  const { table, columns, rows } = JSON.parse(line) as Batch;
  const into = `INSERT OR REPLACE INTO ${table} (${columns.map(quoted).join(", ")})`;
  if (STREAM_TABLES.some(({ name, isBulk }) => name === table && isBulk)) {
    const values = columns.map((_, index) => `value ->> ${String(index)}`);
    sql.exec(`${into} SELECT ${values.join(", ")} FROM json_each(?)`, JSON.stringify(rows));
    return;
  }
  for (const row of rows) sql.exec(`${into} VALUES (${row.map(() => "?").join(", ")})`, ...row);
}

export function deleteRows(sql: SqlStorage): void {
  for (const { name } of [...STREAM_TABLES, ...OBJECT_TABLES]) if (name !== "meta") sql.exec(`DELETE FROM ${name}`);
  sql.exec(`DELETE FROM meta WHERE NOT (${KEPT_META})`);
}

function readBatch(sql: SqlStorage, { name, key, except }: Table, after: Value[] | null): Batch {
  const order = key.join(", ");
  const conditions = [
    ...(except === undefined ? [] : [`NOT (${except})`]),
    ...(after === null ? [] : [`(${order}) > (${key.map(() => "?").join(", ")})`]),
  ];
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const columns = key.includes("rowid") ? "rowid, *" : "*";
  const cursor = sql.exec(`SELECT ${columns} FROM ${name} ${where} ORDER BY ${order}`, ...(after ?? []));
  const rows: Value[][] = [];
  let bytes = 0;
  for (const row of cursor.raw<Value[]>()) {
    rows.push(row);
    bytes += row.reduce<number>((sum, value) => sum + (typeof value === "string" ? value.length : 8), 0);
    if (bytes >= BATCH_BYTES) break;
  }
  return { table: name, columns: cursor.columnNames, rows };
}

function quoted(column: string): string {
  return `"${column}"`;
}
