/**
 * Fields of OpenAI's API, and of servers that speak it, which would change the answer and which no model server here
 * honours: refused by name. What only describes the caller, or what nobody knows, is let through and says nothing.
 */
import type { Endpoint } from "../../protocol";
import { invalid } from "../domain/errors";

interface Unhonoured {
  /** What asks for nothing; by default what is empty or false. null always does. */
  off?: readonly unknown[];
  instead?: string;
}

const NOTHING: readonly unknown[] = [false, "", [], {}];

const OF_ANSWERS: Readonly<Record<string, Unhonoured>> = {
  logit_bias: {},
  logprobs: {},
  top_logprobs: { off: [0] },
  prompt_logprobs: {},
  response_format: { off: [{ type: "text" }] },
  structured_outputs: {},
  guided_json: {},
  guided_regex: {},
  guided_choice: {},
  guided_grammar: {},
  max_new_tokens: { instead: "max_tokens" },
  do_sample: { off: [true], instead: "temperature 0" },
  no_repeat_ngram_size: { off: [0] },
  min_tokens: { off: [0] },
  ignore_eos: {},
  stop_token_ids: {},
  use_beam_search: {},
  length_penalty: { off: [1] },
  truncate_prompt_tokens: {},
};

const OF_CHAT: Readonly<Record<string, Unhonoured>> = {
  tools: {},
  tool_choice: { off: ["none", "auto"] },
  functions: {},
  function_call: { off: ["none", "auto"] },
  modalities: { off: [[], ["text"]] },
  audio: {},
  web_search_options: { off: [] },
  chat_template: {},
  chat_template_kwargs: {},
  documents: {},
  continue_final_message: {},
  add_generation_prompt: { off: [true] },
};

const OF_COMPLETIONS: Readonly<Record<string, Unhonoured>> = { best_of: { off: [1] }, suffix: {}, echo: {} };

const OF_OTHERS: Readonly<Record<string, Unhonoured>> = { stream: {}, store: {}, truncate_prompt_tokens: {} };

const UNHONOURED: Readonly<Record<Endpoint, Readonly<Record<string, Unhonoured>>>> = {
  chat: { ...OF_ANSWERS, ...OF_CHAT },
  completions: { ...OF_ANSWERS, ...OF_COMPLETIONS },
  embeddings: OF_OTHERS,
  classification: OF_OTHERS,
  regression: OF_OTHERS,
};

/** Of a message of a chat. */
const OF_MESSAGES: Readonly<Record<string, Unhonoured>> = { tool_calls: {}, function_call: {}, audio: {} };

/** Throws naming the first field of `sent` that asks for what is not to be had. */
export function checkHonoured(endpoint: Endpoint, sent: Record<string, unknown>): void {
  check(UNHONOURED[endpoint], sent, "");
}

export function checkMessageHonoured(message: Record<string, unknown>, at: string): void {
  check(OF_MESSAGES, message, `${at}.`);
}

function check(fields: Readonly<Record<string, Unhonoured>>, sent: Record<string, unknown>, prefix: string): void {
  for (const [name, { off = NOTHING, instead }] of Object.entries(fields)) {
    const value = sent[name];
    if (value === undefined || value === null || off.some((one) => isSame(one, value))) continue;
    throw invalid(prefix + name, `is not supported here${instead === undefined ? "" : `: use ${instead}`}`);
  }
}

function isSame(off: unknown, value: unknown): boolean {
  return off === value || (typeof off === "object" && JSON.stringify(off) === JSON.stringify(value));
}
