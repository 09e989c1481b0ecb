/**
 * The model server's answer → the one that the client gets: with the id, the model's name and the time that the worker
 * has given it. Usage is always asked for, since it is recorded; a client that did not ask for it in its stream gets none.
 */
import type { Endpoint, RelayOpen } from "../../../protocol";
import type { AnswerRecord } from "./answer-record";
import { isJson, jsonObject, type Json } from "./json";
import { StreamEnd } from "./stream-end";

/** Of a whole answer, and of one event of a streamed one. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const GENERATES: ReadonlySet<Endpoint> = new Set(["chat", "completions"]);

/** What is asked of the model server, which gets its own name for the model besides. */
export function requestBody(body: Json, { endpoint, stream }: RelayOpen): Json {
  if (!GENERATES.has(endpoint)) return body;
  const { stream_options: _, ...rest } = body; // An error where nothing is streamed.
  return stream ? { ...rest, stream, stream_options: { include_usage: true } } : { ...rest, stream };
}

export function wantsUsage(body: Json): boolean {
  const options = body["stream_options"];
  return isJson(options) && options["include_usage"] === true;
}

export async function wholeAnswer(
  chunks: AsyncIterable<Uint8Array>,
  open: RelayOpen,
  record: AnswerRecord,
): Promise<string> {
  const gathered: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new StreamEnd("server_error", `the answer has over ${MAX_ANSWER_BYTES} bytes`);
    gathered.push(chunk);
  }
  const answer = parsed(Buffer.concat(gathered).toString("utf8"));
  record.take(answer);
  return JSON.stringify(named(answer, open));
}

/** The events of a streamed answer, each as text; the last is `[DONE]`, and one that breaks off throws. */
export async function* streamedAnswer(
  chunks: AsyncIterable<Uint8Array>,
  open: RelayOpen,
  record: AnswerRecord,
  withUsage: boolean,
): AsyncGenerator<string> {
  for await (const data of eventsOf(chunks)) {
    if (data === "[DONE]") {
      yield "data: [DONE]\n\n";
      return;
    }
    const piece = parsed(data);
    if (piece["error"] !== undefined) throw new StreamEnd("server_error", errorMessage(piece));
    record.take(piece);
    const isUsage = Array.isArray(piece["choices"]) && piece["choices"].length === 0;
    if (!withUsage && isUsage) continue;
    if (!withUsage) delete piece["usage"];
    yield `data: ${JSON.stringify(named(piece, open))}\n\n`;
  }
  throw new StreamEnd("server_error", "the model server's answer broke off");
}

/** What an error body says, in one line. */
export function errorMessage(body: Json): string {
  const error = isJson(body["error"]) ? body["error"] : body;
  return typeof error["message"] === "string" ? error["message"] : "the model server answered with an error";
}

/** `created` where OpenAI has it. */
function named(answer: Json, { endpoint, answer: { id, model, created } }: RelayOpen): Json {
  return { ...answer, id, model, ...(GENERATES.has(endpoint) ? { created } : {}) };
}

function parsed(text: string): Json {
  const answer = jsonObject(text);
  if (!answer) throw new StreamEnd("server_error", "the model server's answer is not what its protocol says");
  return answer;
}

/** The data of each event; comments and other fields are left out. */
async function* eventsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_ANSWER_BYTES) throw new StreamEnd("server_error", "an event of the answer is too large");
    for (const line of lines.map((text) => text.replace(/\r$/, ""))) {
      if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      if (line !== "" || data.length === 0) continue;
      yield data.join("\n");
      data = [];
    }
  }
}
