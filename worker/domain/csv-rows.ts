/**
 * CSV in UTF-8 as it streams past; its first record names the columns. A record goes on over the next line while a quote in
 * it is open, that is, while its quotes are odd in number. Holds one record at a time (at most 8 MiB). A missing cell is one
 * that is not there, or has nothing in it: a CSV has no other way to say so.
 */
import { csvCells } from "./csv-cells";
import { csvColumns, type CsvColumn } from "./csv-header";
import type { Row } from "./dataset-rows";
import { GrowingBytes } from "./growing-bytes";
import { LineSplitter } from "./line-splitter";
import { numberIn } from "./number-text";
import { lineFault, MAX_ROW_BYTES, textOf, type RowReader, type TakeRow } from "./row-reader";

const QUOTE = 0x22;
const NEWLINE = new Uint8Array([0x0a]);

export class CsvRows implements RowReader {
  readonly #takeRow: TakeRow;
  readonly #takeHeader: (columns: string[]) => void;
  readonly #lines = new LineSplitter((bytes, line) => {
    this.#takeLine(bytes, line);
  });
  /** The lines of a record whose quote is open, and where it begins. */
  #open: { line: number; record: GrowingBytes } | null = null;
  #headers: string[] | null = null;
  #columns: CsvColumn[] = [];

  constructor(takeRow: TakeRow, takeHeader: (columns: string[]) => void) {
    this.#takeRow = takeRow;
    this.#takeHeader = takeHeader;
  }

  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  end(): void {
    this.#lines.end();
    // With its quote still open, so that what is wrong is said.
    if (this.#open) this.#takeRecord(this.#open.record.bytes(), this.#open.line);
  }

  #takeLine(bytes: Uint8Array, line: number): void {
    const isBalanced = count(bytes, QUOTE) % 2 === 0;
    if (this.#open === null && isBalanced) {
      this.#takeRecord(bytes, line);
      return;
    }
    const { record, line: first } = (this.#open ??= { line, record: new GrowingBytes() });
    if (line > first) record.append(NEWLINE);
    record.append(bytes);
    if (record.length > MAX_ROW_BYTES) {
      throw lineFault(first, "begins a row that is longer than 8 MiB; is a quote never closed?");
    }
    if (line === first || isBalanced) return;
    this.#open = null;
    this.#takeRecord(record.bytes(), first);
  }

  #takeRecord(bytes: Uint8Array, line: number): void {
    const text = textOf(bytes);
    if (text === undefined) throw lineFault(line, "is not valid UTF-8");
    const record = text.endsWith("\r") ? text.slice(0, -1) : text;
    if (record === "" && this.#headers !== null) return;
    const cells = csvCells(record);
    if (typeof cells === "string") throw lineFault(line, cells);
    if (this.#headers === null) this.#header(cells, line);
    else this.#takeRow(this.#row(cells, this.#headers, line), line);
  }

  #header(cells: string[], line: number): void {
    const headers = cells.map((cell) => cell.trim());
    const columns = csvColumns(headers);
    if (typeof columns === "string") throw lineFault(line, columns);
    this.#headers = headers;
    this.#columns = columns;
    this.#takeHeader(headers);
  }

  #row(cells: string[], headers: string[], line: number): Row {
    if (cells.length > headers.length) {
      throw lineFault(line, `has ${String(cells.length)} cells, and the header names ${String(headers.length)}`);
    }
    const missing = headers[cells.length];
    if (missing !== undefined) {
      throw lineFault(line, `has no '${missing}': ${String(cells.length)} of ${String(headers.length)} cells`);
    }
    return Object.fromEntries(
      this.#columns.map(({ name, header, index }) => {
        const text = cells[index] ?? "";
        if (text.trim() === "") throw lineFault(line, `has nothing in '${header}'`);
        return [name, name === "score" ? score(text, line) : text];
      }),
    );
  }
}

function count(bytes: Uint8Array, byte: number): number {
  let found = 0;
  for (let at = bytes.indexOf(byte); at !== -1; at = bytes.indexOf(byte, at + 1)) found += 1;
  return found;
}

function score(text: string, line: number): number {
  const value = numberIn(text);
  if (value === null) throw lineFault(line, `has a 'score' that is not a number: '${text.slice(0, 60)}'`);
  return value;
}
