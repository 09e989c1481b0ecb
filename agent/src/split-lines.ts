/**
 * Bytes to lines with a bound on memory: a line longer than the bound comes in pieces, the last of which is marked as
 * the line's end. A piece never ends inside a UTF-8 character.
 */
const NEWLINE = 10;

export interface Piece {
  readonly bytes: Buffer;
  readonly isEnd: boolean;
}

export class LineSplitter {
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly maxBytes: number) {}

  *push(chunk: Buffer): Generator<Piece> {
    let from = 0;
    for (let newline = chunk.indexOf(NEWLINE); newline !== -1; newline = chunk.indexOf(NEWLINE, from)) {
      yield* this.line(this.joined(chunk.subarray(from, newline)), true);
      from = newline + 1;
    }
    const tail = this.joined(chunk.subarray(from));
    if (tail.length > this.maxBytes) yield* this.line(tail, false);
    else this.rest = Buffer.from(tail); // A copy: a slice would hold on to the whole chunk.
  }

  /** The last line when it had no newline. */
  *end(): Generator<Piece> {
    if (this.rest.length > 0) yield { bytes: this.joined(Buffer.alloc(0)), isEnd: true };
  }

  private joined(bytes: Buffer): Buffer {
    if (this.rest.length === 0) return bytes;
    const whole = Buffer.concat([this.rest, bytes]);
    this.rest = Buffer.alloc(0);
    return whole;
  }

  private *line(bytes: Buffer, isComplete: boolean): Generator<Piece> {
    let rest = bytes;
    while (rest.length > this.maxBytes) {
      const cut = characterBoundary(rest, this.maxBytes);
      yield { bytes: rest.subarray(0, cut), isEnd: false };
      rest = rest.subarray(cut);
    }
    if (isComplete) yield { bytes: rest, isEnd: true };
    else this.rest = Buffer.from(rest);
  }
}

/** The largest cut up to `at` that is not before a continuation byte; `at` itself where the bytes are no UTF-8. */
function characterBoundary(bytes: Buffer, at: number): number {
  for (let cut = at; cut > at - 4; cut -= 1) {
    if (((bytes[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return at;
}
