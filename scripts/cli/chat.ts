/** `chat`: a conversation with a deployment, its answers as they are written. */
import { createInterface } from "node:readline";
import { InvalidArgumentError, type Command } from "commander";
import { z } from "zod";
import { ApiError, type ApiClient } from "../api";
import { readSse } from "../sse";
import { contextOf } from "./context";
import { deploymentPath } from "./deployments";
import { CliFailure } from "./failure";
import { printLine } from "./output";
import { anything } from "./shapes";

interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

interface ChatOptions {
  system?: string;
  maxTokens?: number;
  temperature?: number;
  seed?: number;
}

export function addChat(program: Command): void {
  program
    .command("chat")
    .description(
      "ask a deployment; without a message, a conversation: a line is a message, and the end of input ends it",
    )
    .argument("<deployment>", "its name, dep_…, or a model of the catalogue")
    .argument("[message...]", "what is asked")
    .option("--system <text>", "what it is told beforehand")
    .option("--max-tokens <n>", "the most tokens of an answer", parseNumber)
    .option("--temperature <t>", "0 takes the likeliest token each time", parseNumber)
    .option("--seed <n>", "the same answer again", parseNumber)
    .action(async (deployment: string, words: string[], options: ChatOptions, command: Command) => {
      const { api, out } = contextOf(command);
      const path = deploymentPath(deployment, "/chat/completions");
      const { system, maxTokens: max_tokens, temperature, seed } = options;
      const before: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
      const ask = (messages: Message[]) => ({ messages, max_tokens, temperature, seed });
      if (words.length === 0) return converse(api, path, before, ask);
      const body = ask([...before, { role: "user", content: words.join(" ") }]);
      if (out.json) printLine(await api.post(path, body, anything));
      else await streamed(api, path, body);
    });
}

async function converse(
  api: ApiClient,
  path: string,
  before: Message[],
  ask: (messages: Message[]) => object,
): Promise<void> {
  const messages = [...before];
  const isTerminal = process.stdin.isTTY;
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: isTerminal, prompt: "> " });
  if (isTerminal) lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== "") {
      messages.push({ role: "user", content: line });
      messages.push({ role: "assistant", content: await streamed(api, path, ask(messages)) });
    }
    if (isTerminal) lines.prompt();
  }
}

const piece = z.object({
  choices: z.array(z.object({ delta: z.object({ content: z.string().nullish() }) })).default([]),
  error: z.object({ message: z.string() }).optional(),
});

/** The answer, which is on stdout by then. */
async function streamed(api: ApiClient, path: string, body: object): Promise<string> {
  const response = await api.send("POST", path, {
    body: JSON.stringify({ ...body, stream: true }),
    headers: { "content-type": "application/json" },
  });
  if (!response.ok || response.body === null) throw new ApiError("POST", path, response.status, await response.text());
  let text = "";
  for await (const { data } of readSse(response.body)) {
    if (data === "[DONE]") break;
    const { choices, error } = piece.parse(JSON.parse(data));
    if (error) {
      if (text !== "") console.log();
      throw new CliFailure(`the answer broke off: ${error.message}`);
    }
    const written = choices.map(({ delta }) => delta.content ?? "").join("");
    process.stdout.write(written);
    text += written;
  }
  console.log();
  return text;
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("must be a number");
  return number;
}
