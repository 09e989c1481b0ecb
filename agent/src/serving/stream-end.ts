/** Why a stream is over before its answer is whole; `code` is one of RESET_CODES. */
import type { RESET_CODES } from "../../../protocol";

export class StreamEnd extends Error {
  constructor(
    readonly code: (typeof RESET_CODES)[number],
    message: string,
  ) {
    super(message);
    this.name = "StreamEnd";
  }
}
