/** Which method a dataset can train: by the format of its rows, and by what the pass over them has shown. */
import type { DatasetFormat, Method } from "../../protocol";
import type { DatasetRecord } from "./artifacts";

const FORMATS: Record<Method, readonly DatasetFormat[]> = {
  sft_text: ["messages", "prompt_completion", "text"],
  grpo: ["prompt", "prompt_completion", "messages"],
  classification: ["text_label", "prompt_completion"],
  regression: ["text_score", "prompt_completion"],
  embedding: ["text_pair_score"],
};

const NEEDS: Record<Method, string> = {
  sft_text: "sft_text needs rows with 'messages', 'prompt' and 'completion', or 'text'",
  grpo: "grpo needs rows with a 'prompt' column, or with 'messages' that end in an answer",
  classification: "classification needs rows with a text and its label",
  regression: "regression needs rows with a text and a number",
  embedding: "embedding needs rows with 'text1', 'text2' and 'score'",
};

const IN_WORDS: Record<DatasetFormat, string> = {
  messages: "conversations ('messages')",
  prompt_completion: "'prompt' and 'completion'",
  prompt: "'prompt' alone, without 'completion'",
  text: "'text'",
  text_label: "a text with labels",
  text_score: "a text with a score",
  text_pair_score: "'text1', 'text2' and 'score'",
};

/** Why this dataset cannot train `method`, with the first line that cannot; null when it can. */
export function formatFits(
  method: Method,
  { format, profile }: Pick<DatasetRecord, "format" | "profile">,
): string | null {
  if (!FORMATS[method].includes(format)) return `${NEEDS[method]}; this dataset's rows are ${IN_WORDS[format]}`;
  const misfit = profile?.misfits[method];
  return misfit === undefined ? null : `${NEEDS[method]}; ${misfit}`;
}

/** The methods that it can train. */
export function methodsFor(dataset: Pick<DatasetRecord, "format" | "profile">): Method[] {
  return (Object.keys(FORMATS) as Method[]).filter((method) => formatFits(method, dataset) === null);
}
