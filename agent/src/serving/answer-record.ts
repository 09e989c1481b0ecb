/** What of an answer is told when it is whole: its usage, how it finished, and its text where that is to be kept. */
import { MAX_FRAME_PAYLOAD_BYTES, usage as usageSchema, type RelayDone } from "../../../protocol";
import { isJson, type Json } from "./json";

const MAX_OUTPUT_BYTES = 48 * 1024;
/** Of the output as JSON, in which a character may take six bytes: the frame has other fields too. */
const MAX_OUTPUT_JSON_BYTES = MAX_FRAME_PAYLOAD_BYTES - 4096;

export class AnswerRecord {
  private usage: RelayDone["usage"] = null;
  private finishReason: string | null = null;
  private output = "";
  private isCut = false;

  constructor(private readonly wantsOutput: boolean) {}

  /** A whole answer, or a piece of a streamed one. */
  take(answer: Json): void {
    const counted = usageSchema.safeParse({
      completion_tokens: 0,
      ...(isJson(answer["usage"]) ? answer["usage"] : {}),
    });
    if (counted.success) this.usage = counted.data;
    const { choices } = answer;
    if (!Array.isArray(choices)) {
      if (Array.isArray(answer["data"])) this.add(JSON.stringify(answer["data"]));
      return;
    }
    const [choice]: unknown[] = choices;
    if (!isJson(choice)) return;
    if (typeof choice["finish_reason"] === "string") this.finishReason = choice["finish_reason"];
    this.add(textOf(choice));
  }

  done(): RelayDone {
    const done = { usage: this.usage, finish_reason: this.finishReason };
    if (!this.wantsOutput) return done;
    let output = firstBytes(this.output, MAX_OUTPUT_BYTES);
    while (Buffer.byteLength(JSON.stringify(output)) > MAX_OUTPUT_JSON_BYTES) {
      output = firstBytes(output, Math.floor(Buffer.byteLength(output) * 0.75));
    }
    return { ...done, output, output_is_cut: this.isCut || output.length < this.output.length };
  }

  private add(text: string): void {
    if (!this.wantsOutput || text === "") return;
    if (this.output.length > MAX_OUTPUT_BYTES) this.isCut = true;
    else this.output += text.slice(0, MAX_OUTPUT_BYTES + 1);
  }
}

function textOf(choice: Json): string {
  const { text, message, delta } = choice;
  if (typeof text === "string") return text;
  const said = isJson(delta) ? delta : isJson(message) ? message : {};
  return typeof said["content"] === "string" ? said["content"] : "";
}

/** As much of a text as so many bytes of UTF-8 hold, with no half character. */
function firstBytes(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return text.slice(0, read);
}
