/**
 * Reads a dataset as it streams past and says what it is: format, rows, columns, labels; or which line is wrong. Holds
 * one row at a time (at most 8 MiB), never the file. Pure: the caller feeds chunks and stops at the first error.
 */
import type { DatasetFormat } from "../../protocol";
import type { FileKind, RowsProfile } from "./artifacts";
import { CsvRows } from "./csv-rows";
import { layoutOf, type Row, type RowLayout } from "./dataset-rows";
import { DomainError } from "./errors";
import { fileKindByBytes, fileKindByName } from "./file-kind";
import { jsonLines } from "./json-lines";
import { joined, lineFault, MAX_COLUMNS, withoutMark, type RowReader } from "./row-reader";
import { RowsProfiler } from "./rows-profiler";

/** The longest of what tells: a byte order mark. */
const MIN_HEAD_BYTES = 3;
/** A file that begins with more blanks than this is told by its next bytes, whatever they are. */
const MAX_HEAD_BYTES = 4096;

export interface DatasetProfile {
  format: DatasetFormat;
  numRows: number;
  /** Of the first row, in its order; of a CSV, what its header says. */
  columns: string[];
  profile: RowsProfile;
}

export class DatasetScanner {
  #kind: FileKind | null;
  #reader: RowReader | null = null;
  /** The first bytes, until it is known what reads them. */
  #head: Uint8Array = new Uint8Array();
  #numRows = 0;
  #columns: string[] | null = null;
  #layout: RowLayout | null = null;
  #profiler: RowsProfiler | null = null;
  #ended: DatasetProfile | null = null;

  /** Without a name that says what it is, the file's first byte decides. */
  constructor(fileName: string | null = null) {
    this.#kind = fileKindByName(fileName);
  }

  /** Throws `invalid_request` with `field: "file"` and the line at fault. The chunk is not kept after the next call. */
  push(chunk: Uint8Array): void {
    if (this.#reader) {
      this.#reader.push(chunk);
      return;
    }
    this.#head = joined([this.#head, chunk]);
    const isLong = this.#head.length >= MAX_HEAD_BYTES;
    if (this.#head.length < MIN_HEAD_BYTES) return;
    this.#kind ??= fileKindByBytes(this.#head);
    if (this.#kind !== null || isLong) this.#open().push(this.#takeHead());
  }

  /** After the last chunk; safe to repeat. */
  end(): DatasetProfile {
    this.#ended ??= this.#finish();
    return this.#ended;
  }

  #finish(): DatasetProfile {
    if (!this.#reader) {
      this.#kind ??= fileKindByBytes(this.#head);
      this.#open().push(this.#takeHead());
    }
    this.#reader?.end();
    if (this.#layout === null || this.#profiler === null || this.#kind === null) {
      throw new DomainError("invalid_request", "the file is empty: it has no rows", { field: "file" });
    }
    const profile = { fileKind: this.#kind, ...this.#profiler.profile() };
    return { format: this.#layout.format, numRows: this.#numRows, columns: this.#columns ?? [], profile };
  }

  #open(): RowReader {
    this.#kind ??= "jsonl";
    const takeRow = (row: Row, line: number): void => {
      this.#take(row, line);
    };
    this.#reader =
      this.#kind === "jsonl" ? jsonLines(takeRow) : new CsvRows(takeRow, (names) => (this.#columns = names));
    return this.#reader;
  }

  #takeHead(): Uint8Array {
    const head = this.#head;
    this.#head = new Uint8Array();
    // JSON Lines see to their mark themselves.
    return this.#kind === "csv" ? withoutMark(head) : head;
  }

  #take(row: Row, line: number): void {
    if (this.#layout === null) this.#begin(row, line);
    const wrong = this.#layout?.fault(row) ?? null;
    if (wrong !== null) {
      const decided = this.#numRows === 0 ? "" : ` (the first row decided the format ${this.#layout?.label ?? ""})`;
      throw lineFault(line, `${wrong}${decided}`);
    }
    this.#profiler?.see(row, line);
    this.#numRows += 1;
  }

  #begin(row: Row, line: number): void {
    const layout = layoutOf(row);
    if (typeof layout === "string") throw lineFault(line, layout);
    this.#columns ??= Object.keys(row);
    if (this.#columns.length > MAX_COLUMNS) throw lineFault(line, `has more than ${String(MAX_COLUMNS)} columns`);
    this.#layout = layout;
    this.#profiler = new RowsProfiler(layout.format);
  }
}
