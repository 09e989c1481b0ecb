/** The run that an inference call leaves behind: what was asked, what was answered, and what it took. */
import type { Endpoint } from "../../protocol";
import { actorOf } from "./accounts";
import type { RelayCall } from "./inference";
import { isTeachable, type PromptSegment, type RunBody, type RunRecord, type RunResult } from "./runs";

/** Of a prompt: D1 takes 2 MB in a row, and the rest of the run is small. A longer one is cut, and the run says so. */
const MAX_PROMPT_CHARS = 200_000;
/** The same of an answer; what a relayed call keeps is shorter already. */
const MAX_OUTPUT_CHARS = 100_000;

export interface Answered {
  /** What a client reads of it; null: nothing was answered. */
  output: string | null;
  outputIsCut: boolean;
  finishReason: string | null;
  usage: { prompt_tokens: number; completion_tokens: number } | null;
  /** Why it failed. */
  error: string | null;
  startedAtMs: number;
  endedAtMs: number;
}

export type RecordedCall = Pick<RelayCall, "principal" | "store"> & {
  endpoint: Endpoint;
  /** As the client wrote it. */
  model: string;
  /** What the model server got. */
  body: Record<string, unknown>;
};

export function recordedRun(id: string, call: RecordedCall, whole: Answered): RunRecord {
  const answered = fittingAnswer(whole);
  const { principal, store, endpoint, model, body } = call;
  const { prompt, isCut } = fitting(promptOf(body));
  const result = answered.output === null ? [] : [resultOf(endpoint, answered)];
  const isWhole = !isCut && !answered.outputIsCut && answered.error === null;
  return {
    id,
    accountId: principal.accountId,
    projectId: principal.projectId,
    interaction: store?.interaction ?? endpoint,
    status: answered.error === null ? "completed" : "failed",
    environmentId: store?.environmentId ?? null,
    model,
    tags: store?.tags ?? [],
    parentId: null,
    // What is not all there would teach a model to break off.
    hasResult: isWhole && isTeachable(result),
    tokenUse: tokenUse(answered),
    executionTimeMs: answered.endedAtMs - answered.startedAtMs,
    finishReason: answered.finishReason,
    createdBy: actorOf(principal),
    createdAtMs: answered.startedAtMs,
    updatedAtMs: answered.endedAtMs,
    body: {
      prompt,
      result,
      config: { model_options: optionsOf(body) },
      ...(answered.error === null ? {} : { error: { code: "inference_failed", message: answered.error } }),
      source: {
        ...{ type: "api", label: endpoint, principal_type: "apikey", principal_id: principal.keyId },
        ...(isCut ? { prompt_is_cut: true } : {}),
        ...(answered.outputIsCut ? { result_is_cut: true } : {}),
      },
    } satisfies RunBody,
  };
}

/** The roles that runs have: a developer's word to a model is what others call the system's. */
const ROLE_WORDS: Readonly<Record<string, string>> = { developer: "system", function: "tool" };

function promptOf(body: Record<string, unknown>): PromptSegment[] {
  if (Array.isArray(body["messages"])) return body["messages"].map(segmentOf);
  return [body["prompt"] ?? body["input"]].flat().map((text) => ({ role: "user", content: textOf(text) }));
}

function segmentOf(message: { role?: unknown; content?: unknown }): PromptSegment {
  const role = String(message.role);
  return { role: ROLE_WORDS[role] ?? role, content: textOf(message.content) };
}

/** A text, or the parts of one; what is no text (token numbers) as JSON. */
function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return content == null ? "" : JSON.stringify(content);
  return content
    .map((part: unknown) =>
      typeof part === "object" && part !== null && "text" in part ? textOf(part.text) : JSON.stringify(part),
    )
    .join("");
}

function fitting(prompt: PromptSegment[]): { prompt: PromptSegment[]; isCut: boolean } {
  let left = MAX_PROMPT_CHARS;
  const kept: PromptSegment[] = [];
  for (const { role, content } of prompt) {
    if (left <= 0) break;
    // A segment takes a few characters beside its content.
    kept.push({ role, content: content.slice(0, left).toWellFormed() });
    left -= content.length + role.length + 30;
  }
  const isCut =
    kept.length < prompt.length || kept.some(({ content }, n) => content.length !== prompt[n]?.content.length);
  return { prompt: kept, isCut };
}

function fittingAnswer(answered: Answered): Answered {
  const { output } = answered;
  if (output === null || output.length <= MAX_OUTPUT_CHARS) return answered;
  return { ...answered, output: output.slice(0, MAX_OUTPUT_CHARS).toWellFormed(), outputIsCut: true };
}

/** What the model wrote; of the endpoints that answer with numbers the JSON that was answered, where it is whole. */
function resultOf(endpoint: Endpoint, { output, outputIsCut }: Answered): RunResult {
  const isText = endpoint === "chat" || endpoint === "completions" || outputIsCut;
  return isText ? { type: "text", value: output } : { type: "json", value: JSON.parse(output ?? "null") as unknown };
}

function tokenUse({ usage }: Answered): RunRecord["tokenUse"] {
  return usage === null ? null : { prompt: usage.prompt_tokens, completion: usage.completion_tokens };
}

const MAX_OPTIONS_CHARS = 20_000;

/** How the model was asked to answer: everything but the prompt. */
function optionsOf(body: Record<string, unknown>): Record<string, unknown> {
  const { messages: _messages, prompt: _prompt, input: _input, ...options } = body;
  return JSON.stringify(options).length > MAX_OPTIONS_CHARS ? {} : options;
}
