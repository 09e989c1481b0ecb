/** The body of a request on its way to an agent, as far as the agent's credit goes. */
import { emptyFrame, MAX_FRAME_PAYLOAD_BYTES, STREAM_CREDIT_BYTES, type Frame } from "../../protocol";

export class BodySender {
  readonly #stream: number;
  readonly #body: Uint8Array;
  #at = 0;
  #credit = STREAM_CREDIT_BYTES;
  #isEnded = false;

  constructor(stream: number, body: Uint8Array) {
    this.#stream = stream;
    this.#body = body;
  }

  /** Whether it waits for credit. */
  get isStalled(): boolean {
    return !this.#isEnded;
  }

  grant(bytes: number): void {
    this.#credit += bytes;
  }

  /** What may be sent now. */
  next(): Frame[] {
    const frames: Frame[] = [];
    while (this.#at < this.#body.byteLength && this.#credit > 0) {
      const size = Math.min(this.#body.byteLength - this.#at, this.#credit, MAX_FRAME_PAYLOAD_BYTES);
      const payload = this.#body.subarray(this.#at, this.#at + size);
      frames.push({ type: "body", stream: this.#stream, payload });
      this.#at += size;
      this.#credit -= size;
    }
    if (this.#at === this.#body.byteLength && !this.#isEnded) {
      frames.push(emptyFrame("end", this.#stream));
      this.#isEnded = true;
    }
    return frames;
  }
}
