/**
 * Reads JSON Lines as they stream past and says what they are: format, rows, columns; or which line is wrong. Holds one
 * line at a time (at most 8 MiB), never the file. Pure: the caller feeds chunks and stops at the first error.
 */
import type { DatasetFormat } from "../../protocol";
import { DomainError } from "./errors";
import { isRow, layoutOf, type Row, type RowLayout } from "./dataset-rows";
import { limitFault } from "./row-limits";

export { formatFits } from "./dataset-rows";

/** A row longer than this is no training example: the longest context we know is 4 MiB of text. */
export const MAX_LINE_BYTES = 8 * 1024 * 1024;
/** Columns are kept in the dataset's record. */
const MAX_COLUMNS = 1000;
/** An error repeats this much of what it complains about. */
const MAX_QUOTE_CHARS = 200;

const NEWLINE = 0x0a;

export interface DatasetProfile {
  format: DatasetFormat;
  numRows: number;
  /** Of the first row, in its order. */
  columns: string[];
}

export class DatasetScanner {
  /** The pieces of a line that is not complete yet. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #line = 0;
  #numRows = 0;
  #columns: string[] = [];
  #layout: RowLayout | null = null;
  // A byte order mark is legal at the very beginning only, so the decoder leaves it in.
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** Throws `invalid_request` with `field: "file"` and the line at fault. The chunk is not kept after the next call. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#take(chunk.subarray(from, end));
      from = end + 1;
    }
    if (from < chunk.length) this.#keep(chunk.slice(from));
  }

  /** After the last chunk; safe to repeat. */
  end(): DatasetProfile {
    if (this.#pieceBytes > 0) this.#take(new Uint8Array());
    if (this.#layout === null) {
      throw new DomainError("invalid_request", "the file is empty: it has no rows", { field: "file" });
    }
    return { format: this.#layout.format, numRows: this.#numRows, columns: this.#columns };
  }

  #keep(piece: Uint8Array): void {
    this.#checkLength(piece);
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  /** The present line ends with `last`. */
  #take(last: Uint8Array): void {
    this.#checkLength(last);
    this.#line += 1;
    const bytes = this.#pieceBytes === 0 ? last : joined([...this.#pieces, last], this.#pieceBytes + last.length);
    this.#pieces = [];
    this.#pieceBytes = 0;
    const text = this.#decode(bytes);
    if (/\S/.test(text)) this.#row(this.#parse(text));
  }

  #row(row: Row): void {
    const beyond = limitFault(row);
    if (beyond !== null) throw this.#fault(beyond);
    if (this.#layout === null) {
      const layout = layoutOf(row);
      if (typeof layout === "string") throw this.#fault(layout);
      this.#columns = Object.keys(row);
      if (this.#columns.length > MAX_COLUMNS) throw this.#fault(`has more than ${String(MAX_COLUMNS)} columns`);
      this.#layout = layout;
    }
    const wrong = this.#layout.fault(row);
    if (wrong !== null) {
      const decided = this.#numRows === 0 ? "" : ` (the first row decided the format ${this.#layout.label})`;
      throw this.#fault(`${wrong}${decided}`);
    }
    this.#numRows += 1;
  }

  #decode(bytes: Uint8Array): string {
    try {
      const text = this.#decoder.decode(bytes);
      return this.#line === 1 && text.startsWith("\ufeff") ? text.slice(1) : text;
    } catch (error) {
      if (error instanceof TypeError) throw this.#fault("is not valid UTF-8");
      throw error;
    }
  }

  #parse(text: string): Row {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      // V8 counts lines within this one, which would name another line than we do.
      const why = error instanceof Error ? error.message.replace(/ \(line \d+ column \d+\)/, "") : "";
      throw this.#fault(`is not valid JSON: ${why.slice(0, MAX_QUOTE_CHARS)}`);
    }
    if (isRow(value)) return value;
    const found = Array.isArray(value) ? "a list" : `${JSON.stringify(value).slice(0, MAX_QUOTE_CHARS)}`;
    throw this.#fault(`is not a JSON object but ${found}; the file must have one object on each line`);
  }

  #checkLength(piece: Uint8Array): void {
    if (this.#pieceBytes + piece.length <= MAX_LINE_BYTES) return;
    this.#line += 1;
    throw this.#fault("is longer than 8 MiB");
  }

  #fault(message: string): DomainError {
    const line = this.#line;
    return new DomainError("invalid_request", `line ${String(line)} ${message}`, { field: "file", line });
  }
}

function joined(pieces: Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
