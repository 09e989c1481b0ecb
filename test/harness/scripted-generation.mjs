/**
 * What the scripted model servers answer: the prompt is JSON and says it.
 *   {say: ["a", "b"]}       those tokens, streamed or whole, with usage; `hold`: a file that is waited for before the last
 *   {status, message, param}  an error
 *   {hang: true}            a head where it is streamed, and nothing more
 *   {big: bytes}            one token of so many bytes, so many `times`
 *   {die: true}             one token, and the process ends
 */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export async function readJson(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

export function answerJson(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

export const refuse = (response, status, message, param = null) =>
  answerJson(response, status, { error: { message, type: "invalid_request_error", param, code: null } });

/** `tell` prints a line for the test to see. */
export async function generate(request, response, body, tell) {
  const isChat = body.messages !== undefined;
  const script = JSON.parse(isChat ? body.messages[0].content : body.prompt);
  response.on("close", () => {
    if (!response.writableFinished) tell(`left by its client: ${body.model}`);
  });
  if (script.status !== undefined) return refuse(response, script.status, script.message, script.param);
  const tokens = script.big === undefined ? (script.say ?? []) : Array(script.times ?? 1).fill("x".repeat(script.big));
  const usage = { prompt_tokens: 3, completion_tokens: tokens.length, total_tokens: 3 + tokens.length };
  const named = { id: "of-the-server", object: "test", created: 1, model: body.model };
  if (!body.stream) {
    if (script.hang) return undefined;
    const text = tokens.join("");
    const said = isChat ? { message: { role: "assistant", content: text } } : { text };
    return answerJson(response, 200, { ...named, choices: [{ index: 0, ...said, finish_reason: "stop" }], usage });
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  const withUsage = body.stream_options?.include_usage === true;
  const piece = async (choices, last = null) => {
    const text = JSON.stringify({ ...named, choices, ...(withUsage && { usage: last }) });
    if (!response.write(`data: ${text}\n\n`)) await new Promise((resolve) => response.once("drain", resolve));
  };
  for (const [index, token] of tokens.entries()) {
    if (script.hold !== undefined && index === tokens.length - 1) while (!existsSync(script.hold)) await sleep(5);
    await piece([{ index: 0, ...(isChat ? { delta: { content: token } } : { text: token }), finish_reason: null }]);
  }
  if (script.die) setTimeout(() => process.exit(9), 20);
  if (script.die || script.hang) return undefined;
  await piece([{ index: 0, ...(isChat ? { delta: {} } : { text: "" }), finish_reason: "stop" }]);
  if (withUsage) await piece([], usage);
  return response.end("data: [DONE]\n\n");
}
