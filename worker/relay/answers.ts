/** The two ways in which an answer comes to its client: piece by piece, or whole. */
import { DomainError } from "../domain/errors";
import { joined } from "../domain/event-stream";
import { EventWriter } from "./event-writer";
import type { Failure } from "./failure";

/** Of an answer that is not streamed: the object has all of it in memory before it says a word. */
export const MAX_WHOLE_ANSWER_BYTES = 16 * 1024 * 1024;

/** What takes an answer in. `begin` comes once, before `data`; then one of the others. */
export interface AnswerSink {
  begin(contentType: string): void;
  data(bytes: Uint8Array): void;
  end(): void;
  /** What has begun breaks off. */
  fail(failure: Failure): void;
  /** True when the client has taken nothing for too long, and is given up. */
  tick(nowMs: number): boolean;
}

export interface SinkParts {
  nowMs: () => number;
  noCreditMs: number;
  answer: (response: Response) => void;
  /** Instead of an answer. */
  refuse: (error: DomainError) => void;
  /** So many bytes were taken off our hands. */
  onTaken: (bytes: number) => void;
  /** The client has left. */
  onGone: () => void;
  /** The client has all that it gets. */
  onClosed: () => void;
}

export function streamedAnswer(parts: SinkParts): AnswerSink {
  const writer = new EventWriter(parts);
  let hasBegun = false;
  return {
    begin: (contentType) => {
      hasBegun = true;
      // A proxy that gathers would make of a stream what comes at its end.
      const headers = { "content-type": contentType, "cache-control": "no-store", "x-accel-buffering": "no" };
      parts.answer(new Response(writer.readable, { headers }));
    },
    data: (bytes) => writer.data(bytes),
    end: () => writer.end(),
    fail: ({ code, message }) => writer.fail(code, message),
    tick: (nowMs) => {
      // Nobody can take anything of an answer that has not begun.
      if (!hasBegun) return false;
      writer.tick(nowMs);
      if (writer.stalledMs(nowMs) < parts.noCreditMs) return false;
      writer.cut("the client takes nothing");
      return true;
    },
  };
}

export function wholeAnswer(parts: SinkParts): AnswerSink {
  const pieces: Uint8Array[] = [];
  let type = "application/json";
  let bytes = 0;
  return {
    begin: (contentType) => {
      type = contentType;
    },
    data: (piece) => {
      bytes += piece.byteLength;
      if (bytes > MAX_WHOLE_ANSWER_BYTES) throw new AnswerTooLarge();
      // A piece is a view of its message, which may be much larger.
      pieces.push(piece.slice());
      parts.onTaken(piece.byteLength);
    },
    end: () => {
      parts.answer(new Response(joined(pieces), { headers: { "content-type": type, "cache-control": "no-store" } }));
      parts.onClosed();
    },
    fail: ({ error }) => parts.refuse(error),
    tick: () => false,
  };
}

export class AnswerTooLarge extends DomainError {
  constructor() {
    super("internal", `the answer has over ${String(MAX_WHOLE_ANSWER_BYTES)} bytes; ask for a streamed one`);
  }
}
