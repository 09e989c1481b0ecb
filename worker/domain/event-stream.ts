/** Server-Sent Events that pass through: how they are divided, and what is said when they break off. */

/** A comment: clients ignore it, and a connection that is gone fails on it. */
export const KEEP_ALIVE_COMMENT = new TextEncoder().encode(": keep-alive\n\n");
/** An event that is larger is passed on in parts. */
const MAX_HELD_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/** What OpenAI's clients raise as an error of theirs in mid-stream. */
export function errorEvent(code: string, message: string): Uint8Array {
  const error = { message, type: "server_error", param: null, code };
  return new TextEncoder().encode(`data: ${JSON.stringify({ error })}\n\n`);
}

/**
 * Gives out only whole events of the bytes that it takes in, so that one of ours can come after any of them: behind a part
 * of an event it would be read as the rest of it.
 */
export class WholeEvents {
  #held: Uint8Array = new Uint8Array(0);

  take(bytes: Uint8Array): Uint8Array {
    const all = this.#held.byteLength === 0 ? bytes : joined([this.#held, bytes]);
    const end = endOfEvents(all);
    const cut = end === 0 && all.byteLength > MAX_HELD_BYTES ? all.byteLength : end;
    this.#held = all.slice(cut);
    return all.subarray(0, cut);
  }

  /** What is left at the end of all bytes. */
  rest(): Uint8Array {
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    return rest;
  }
}

/** Behind the last empty line. */
function endOfEvents(bytes: Uint8Array): number {
  for (let at = bytes.byteLength - 1; at > 0; at--) {
    if (bytes[at] === LINE_FEED && bytes[at - 1] === LINE_FEED) return at + 1;
  }
  return 0;
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
