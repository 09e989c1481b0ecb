/** Reads Server-Sent Events message by message, as they come. */
export interface SseMessage {
  id: number;
  event: string;
  data: Record<string, unknown>;
}

/** Reads a stream message by message; comments are counted, not returned. */
export class SseReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";
  comments = 0;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** The next message; null when the stream has closed. */
  async next(): Promise<SseMessage | null> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        if (!block.startsWith(":")) return parseBlock(block);
        this.comments += 1;
        continue;
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  async take(count: number): Promise<SseMessage[]> {
    const messages: SseMessage[] = [];
    while (messages.length < count) {
      const message = await this.next();
      if (message === null) return messages;
      messages.push(message);
    }
    return messages;
  }

  async toEnd(): Promise<SseMessage[]> {
    return this.take(Number.POSITIVE_INFINITY);
  }

  /** Reads the bytes that have arrived and waits for the next ones, so that a comment is counted. */
  async nextChunk(): Promise<string> {
    const { value } = await this.#reader.read();
    return this.#decoder.decode(value);
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

function parseBlock(block: string): SseMessage {
  const fields = new Map(block.split("\n").map((line) => [line.split(": ", 1)[0], line.slice(line.indexOf(": ") + 2)]));
  return {
    id: Number(fields.get("id")),
    event: String(fields.get("event")),
    data: JSON.parse(String(fields.get("data"))) as Record<string, unknown>,
  };
}
