/** A run as a row of training data: its prompt, and what the model said to it. */
import type { TrainingRun } from "./run-ports";
import type { PromptSegment, RunResult } from "./runs";

export interface ChatRow {
  messages: PromptSegment[];
}

/** Roles that rows have other words for; those of image prompts (null) say nothing to a model of text. */
const ROLE_WORDS: ReadonlyMap<string, string | null> = new Map([
  ["system", "system"],
  ["safety", "system"],
  ["user", "user"],
  ["assistant", "assistant"],
  ["tool", "tool"],
  ["negative", null],
  ["mask", null],
]);

/** null: there is nothing to learn from it. */
export function chatRow({ status, hasResult, body }: TrainingRun): ChatRow | null {
  const prompt = body.prompt.flatMap(message);
  if (status !== "completed" || !hasResult || prompt.length === 0) return null;
  return { messages: [...prompt, { role: "assistant", content: answerOf(body.result) }] };
}

function message({ role, content }: PromptSegment): PromptSegment[] {
  const word = ROLE_WORDS.get(role);
  return word === undefined || word === null ? [] : [{ role: word, content: content.toWellFormed() }];
}

/** Thoughts are not said, and images and videos are no text. */
const SAID = ["text", "json"];

/** A line for each text, as the client joins them; what is no text as JSON. */
function answerOf(result: RunResult[]): string {
  const said = result.filter(({ type, value }) => SAID.includes(type) && value !== null && value !== undefined);
  const lines = said.map(({ value }) => (typeof value === "string" ? value : JSON.stringify(value)));
  return lines.join("\n").toWellFormed();
}
