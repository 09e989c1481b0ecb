/** Lines of a file as it streams past, without their `\n`. Holds one line at a time, never the file. */
import { joined, lineFault, MAX_ROW_BYTES } from "./row-reader";

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #take: (bytes: Uint8Array, line: number) => void;
  /** The pieces of a line that is not complete yet. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #line = 0;

  /** `take` gets each line with its number, from 1; its bytes are good until it returns. What it throws ends the reading. */
  constructor(take: (bytes: Uint8Array, line: number) => void) {
    this.#take = take;
  }

  /** The chunk is not kept after the next call. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      this.#endLine(chunk.subarray(from, end));
      from = end + 1;
    }
    if (from < chunk.length) this.#keep(chunk.slice(from));
  }

  /** After the last chunk. */
  end(): void {
    if (this.#pieceBytes > 0) this.#endLine(new Uint8Array());
  }

  #keep(piece: Uint8Array): void {
    this.#checkLength(piece);
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  #endLine(last: Uint8Array): void {
    this.#checkLength(last);
    this.#line += 1;
    const bytes = this.#pieceBytes === 0 ? last : joined([...this.#pieces, last]);
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#take(bytes, this.#line);
  }

  #checkLength(piece: Uint8Array): void {
    if (this.#pieceBytes + piece.length > MAX_ROW_BYTES) throw lineFault(this.#line + 1, "is longer than 8 MiB");
  }
}
