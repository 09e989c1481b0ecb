/** What reads a file's rows as its bytes stream past: one kind for JSON Lines, one for CSV. */
import type { Row } from "./dataset-rows";
import { DomainError } from "./errors";

/** A row longer than this is no training example: the longest context we know is 4 MiB of text. */
export const MAX_ROW_BYTES = 8 * 1024 * 1024;

/** Columns are kept in the dataset's record. */
export const MAX_COLUMNS = 1000;

export interface RowReader {
  /** Throws `invalid_request` with `field: "file"` and the line at fault. The chunk is not kept after the next call. */
  push(chunk: Uint8Array): void;
  /** After the last chunk. */
  end(): void;
}

/** Gets each row with the line of the file at which it begins, from 1. What it throws ends the reading. */
export type TakeRow = (row: Row, line: number) => void;

export function lineFault(line: number, message: string): DomainError {
  return new DomainError("invalid_request", `line ${String(line)} ${message}`, { field: "file", line });
}

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** What a file begins with, but for the mark that some editors put there. */
export function withoutMark(head: Uint8Array): Uint8Array {
  return BYTE_ORDER_MARK.every((byte, index) => head[index] === byte) ? head.subarray(BYTE_ORDER_MARK.length) : head;
}

// A byte order mark is legal at a file's very beginning only, where `withoutMark` takes it away: the decoder leaves it in.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of these bytes; undefined when they are no UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

export function joined(pieces: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
