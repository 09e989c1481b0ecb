/**
 * The streamed answer to one client. What comes while a write has not been taken goes into the next one, and credit for it
 * is granted when the client has it, so that a slow reader slows its model down and not the object. That a client has left
 * is told by a failing write alone: while there is nothing to say, comments find it.
 */
import { errorEvent, joined, KEEP_ALIVE_COMMENT, WholeEvents } from "../domain/event-stream";

/** A comment after so long a silence. */
export const COMMENT_MS = 5000;

export interface EventWriterParts {
  nowMs: () => number;
  /** The client has taken so many bytes of the answer. */
  onTaken: (bytes: number) => void;
  /** The client has left, or all was written and taken: nothing more will be. */
  onGone: () => void;
  onClosed: () => void;
}

export class EventWriter {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #parts: EventWriterParts;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #events = new WholeEvents();
  #waiting: Uint8Array[] = [];
  /** Bytes of the agent's that the next write answers for; those of an event that is not whole are taken at once. */
  #untaken = 0;
  #isWriting = false;
  #isEnding = false;
  /** Of the last write's beginning or end. */
  #movedAtMs: number;

  constructor(parts: EventWriterParts) {
    const { readable, writable } = new IdentityTransformStream();
    this.#parts = parts;
    this.readable = readable;
    this.#writer = writable.getWriter();
    this.#movedAtMs = parts.nowMs();
    // Where the way to the client tells that it has left; else the next writes fail.
    this.#writer.closed.catch(() => this.#gone());
  }

  data(bytes: Uint8Array): void {
    this.#untaken += bytes.byteLength;
    this.#add(this.#events.take(bytes));
  }

  /** Ends the stream well, after what waits. */
  end(): void {
    this.#add(this.#events.rest());
    this.#isEnding = true;
    void this.#pump();
  }

  /** Says what went wrong, after what waits, and ends the stream. */
  fail(code: string, message: string): void {
    this.#add(errorEvent(code, message));
    this.#isEnding = true;
    void this.#pump();
  }

  /** For a client that takes nothing: it is to see that the answer is not whole. */
  cut(why: string): void {
    this.#isEnding = true;
    this.#waiting = [];
    this.#writer.abort(new Error(why)).catch(() => undefined);
  }

  /** How long the client has taken nothing of what is there for it; 0: it has all. */
  stalledMs(nowMs: number): number {
    return this.#isWriting ? nowMs - this.#movedAtMs : 0;
  }

  /** A comment, if it is time for one. */
  tick(nowMs: number): void {
    if (!this.#isWriting && !this.#isEnding && nowMs - this.#movedAtMs >= COMMENT_MS) this.#add(KEEP_ALIVE_COMMENT);
  }

  #add(bytes: Uint8Array): void {
    if (this.#isEnding) return;
    // What waits must not hold the whole message that it came in, which is many streams'.
    if (bytes.byteLength > 0) this.#waiting.push(this.#isWriting ? bytes.slice() : bytes);
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0 || this.#untaken > 0) {
        const [bytes, taken] = [joined(this.#waiting), this.#untaken];
        [this.#waiting, this.#untaken] = [[], 0];
        this.#movedAtMs = this.#parts.nowMs();
        if (bytes.byteLength > 0) await this.#writer.write(bytes);
        this.#movedAtMs = this.#parts.nowMs();
        if (taken > 0) this.#parts.onTaken(taken);
      }
      if (this.#isEnding) {
        await this.#writer.close();
        this.#parts.onClosed();
      }
    } catch {
      this.#gone();
    } finally {
      this.#isWriting = false;
    }
  }

  #gone(): void {
    this.#isEnding = true;
    this.#waiting = [];
    this.#parts.onGone();
  }
}
