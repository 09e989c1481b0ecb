/**
 * What a pass over a dataset's rows shows beyond their format: for each method that takes the format the first row that
 * does not fit it, and the labels with their counts. Rows have been found to fit their layout (dataset-rows.ts).
 */
import type { DatasetFormat, Method } from "../../protocol";
import type { RowsProfile } from "./artifacts";
import { isRow, type Row } from "./dataset-rows";
import { LabelCounts, MAX_LABEL_CHARS } from "./label-counts";
import { numberIn } from "./number-text";

/** What is wrong with a row, such as `has a 'completion' that is not a number`; null when nothing is. */
type Check = (row: Row) => string | null;

const CHECKS: Record<DatasetFormat, Partial<Record<Method, Check>>> = {
  messages: { grpo: promptAndAnswer },
  prompt_completion: { classification: oneLabel, regression: numberAsText },
  prompt: {},
  text: {},
  text_label: { classification: labelsOfText },
  text_score: {},
  text_pair_score: { embedding: similarity },
};

export class RowsProfiler {
  readonly #checks: [Method, Check][];
  readonly #misfits: Partial<Record<Method, string>> = {};
  readonly #labels: LabelCounts | null;

  constructor(format: DatasetFormat) {
    this.#checks = Object.entries(CHECKS[format]) as [Method, Check][];
    this.#labels = format === "text_label" || format === "prompt_completion" ? new LabelCounts() : null;
  }

  see(row: Row, line: number): void {
    for (const [method, check] of this.#checks) {
      if (this.#misfits[method] !== undefined) continue;
      const wrong = check(row);
      if (wrong !== null) this.#misfits[method] = `line ${String(line)} ${wrong}`;
    }
    // What cannot be classified has no labels worth counting.
    if (this.#misfits.classification === undefined) this.#labels?.add(row);
  }

  profile(): Pick<RowsProfile, "misfits" | "labels"> {
    const labels = this.#misfits.classification === undefined ? this.#labels?.profile() : undefined;
    return { misfits: this.#misfits, ...(labels ? { labels } : {}) };
  }
}

function oneLabel({ prompt, completion }: Row): string | null {
  if (typeof prompt !== "string") return "has a 'prompt' that is a conversation and not one text";
  if (typeof completion !== "string") return "has a 'completion' that is a conversation and not a label";
  return labelFault(completion);
}

function labelsOfText({ completion, label, labels }: Row): string | null {
  const named = Array.isArray(labels) ? (labels as unknown[]) : label === undefined ? [] : [label];
  const names = isRow(completion) ? Object.keys(completion) : named;
  for (const name of names) {
    const wrong = typeof name === "string" ? labelFault(name) : null;
    if (wrong !== null) return wrong;
  }
  return null;
}

function labelFault(label: string): string | null {
  if (label.trim() === "") return "has a label that is empty";
  if (label.length > MAX_LABEL_CHARS) return `has a label of more than ${String(MAX_LABEL_CHARS)} characters`;
  return null;
}

function numberAsText({ prompt, completion }: Row): string | null {
  if (typeof prompt !== "string") return "has a 'prompt' that is a conversation and not one text";
  if (typeof completion === "string" && numberIn(completion) !== null) return null;
  const shown = typeof completion === "string" ? `: '${completion.slice(0, 60)}'` : "";
  return `has a 'completion' that is not a number${shown}`;
}

function similarity({ score }: Row): string | null {
  if (typeof score === "number" && score >= 0 && score <= 1) return null;
  return `has a 'score' of ${String(score)}; a similarity is between 0 and 1`;
}

/** The prompt is everything before the last answer. */
function promptAndAnswer(row: Row): string | null {
  const messages = row["messages"] ?? row["conversations"];
  // `instruction` and `output` always have both.
  if (!Array.isArray(messages)) return null;
  const roles = messages.map((message) => (isRow(message) ? (message["role"] ?? message["from"]) : null));
  const answer = roles.findLastIndex((role) => role === "assistant" || role === "gpt");
  if (answer > 0) return null;
  return answer === 0 ? "has no message before its answer" : "has no message of the assistant";
}
