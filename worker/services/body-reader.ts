/** A request's body, read chunk by chunk; one that breaks off ends like one that is over, and can be stopped from outside. */

/** What is read and dropped after a refusal: a body of the largest size that common plans let through. */
const MAX_DRAINED_BYTES = 100 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

export class BodyReader {
  readonly #reader: ReadableStreamBYOBReader;
  #scratch = new Uint8Array(READ_BYTES);
  stopped = false;
  /** Whoever reads this found more than was wanted. */
  leftOver = false;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.getReader({ mode: "byob" });
  }

  /** The next bytes, good until the next call; null after the last, or when the sender is gone. */
  async next(): Promise<Uint8Array | null> {
    if (this.stopped) return null;
    try {
      const { done, value } = await this.#reader.readAtLeast(READ_BYTES, this.#scratch);
      if (done) return null;
      this.#scratch = new Uint8Array(value.buffer as ArrayBuffer);
      return value;
    } catch {
      // The sender is gone: what has come is kept, and nobody hears an answer.
      return null;
    }
  }

  /** A read under way ends with null. */
  stop(): void {
    this.stopped = true;
    // Cancelling a broken body fails for the reason that ends its reading too.
    this.#reader.cancel().catch(() => null);
  }

  async drain(): Promise<void> {
    let dropped = 0;
    for (let chunk = await this.next(); chunk !== null; chunk = await this.next()) {
      dropped += chunk.byteLength;
      if (dropped > MAX_DRAINED_BYTES) {
        this.stop();
        return;
      }
    }
  }
}
