/**
 * What a row of a dataset may look like (the companions' tables of row formats): the first row decides the layout, and each
 * other row must have its columns. A CSV's rows come with the same names (csv-header.ts). The trainer's loader reads the
 * same layouts (`agent/trainer/anneal_trainer/data.py`).
 */
import type { DatasetFormat } from "../../protocol";

export type Row = Record<string, unknown>;

export interface RowLayout {
  format: DatasetFormat;
  /** What the first row decided, in the reader's words. */
  label: string;
  /** What is wrong with a row, such as `has no 'completion'`; null when it fits. */
  fault: (row: Row) => string | null;
}

/** Role names that clients use, folded as the trainer folds them. */
const ROLES = ["user", "human", "prompter", "assistant", "gpt", "system", "tool"];

/** The layout of a dataset by its first row, or why there is none. Most specific first. */
export function layoutOf(row: Row): RowLayout | string {
  const has = (...columns: string[]): boolean => columns.every((column) => Object.hasOwn(row, column));
  if (has("chosen", "rejected")) {
    return "has 'chosen' and 'rejected' (preference pairs); no method here trains on those. Use 'prompt', 'messages' or 'text'";
  }
  if (has("messages")) return chat("messages");
  if (has("conversations")) return chat("conversations");
  if (has("instruction", "output")) return ALPACA;
  if (has("prompt", "completion")) return completionLayout(row["completion"]);
  if (has("prompt")) return layout("prompt", { prompt: textOrChat });
  if (has("text1", "text2", "score")) {
    return layout("text_pair_score", { text1: text, text2: text, score: number });
  }
  if (has("text", "labels")) return layout("text_label", { text, labels: list(label) });
  if (has("text", "label")) return layout("text_label", { text, label });
  if (has("text", "score")) return layout("text_score", { text, score: number });
  if (has("text")) return layout("text", { text });
  const columns = Object.keys(row).slice(0, 20).join("', '");
  return `has the columns '${columns.slice(0, 300)}'; one of 'prompt', 'messages' or 'text' is needed`;
}

/** By the first completion: labels with 0 or 1 each, a score, or what a model is to answer. */
function completionLayout(first: unknown): RowLayout {
  if (isRow(first)) return layout("text_label", { prompt: text, completion: labelMap(Object.keys(first)) });
  if (typeof first === "number") return layout("text_score", { prompt: text, completion: number });
  return layout("prompt_completion", { prompt: textOrChat, completion: textOrChat });
}

/** What is wrong with a value, such as `must be text`; null when nothing is. */
type Check = (value: unknown) => string | null;

function layout(format: DatasetFormat, checks: Record<string, Check>): RowLayout {
  const columns = Object.entries(checks);
  const fault = (row: Row): string | null => {
    for (const [column, check] of columns) {
      if (!Object.hasOwn(row, column)) return `has no '${column}'`;
      const wrong = check(row[column]);
      if (wrong !== null) return `has a '${column}' that ${wrong}`;
    }
    return null;
  };
  return { format, label: columns.map(([column]) => column).join("+"), fault };
}

function chat(column: "messages" | "conversations"): RowLayout {
  return layout("messages", { [column]: conversation });
}

/** `input` and `system` may be absent, null or empty. */
const ALPACA: RowLayout = (() => {
  const needed = layout("messages", { instruction: text, output: text });
  const fault = (row: Row): string | null => {
    const wrong = needed.fault(row);
    if (wrong !== null) return wrong;
    for (const column of ["input", "system"]) {
      const value = row[column];
      if (value !== undefined && value !== null && typeof value !== "string")
        return `has a '${column}' that is not text`;
    }
    return null;
  };
  return { ...needed, fault };
})();

function text(value: unknown): string | null {
  if (typeof value !== "string") return "is not text";
  return value.isWellFormed() ? null : "has half of a surrogate pair (\\ud800 to \\udfff) and is no valid text";
}

function number(value: unknown): string | null {
  return typeof value === "number" ? null : "is not a number";
}

function label(value: unknown): string | null {
  const fits = typeof value === "boolean" || typeof value === "number" || text(value) === null;
  return fits ? null : "is not text or a number";
}

function list(check: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return "is not a list";
    for (const entry of value) {
      const wrong = check(entry);
      if (wrong !== null) return `holds something that ${wrong}`;
    }
    return null;
  };
}

/** The labels of the first row, all of them in every row. */
function labelMap(labels: string[]): Check {
  const known = new Set(labels);
  return (value) => {
    if (!isRow(value)) return "is not an object of labels, as the first row's is";
    if (labels.length === 0) return "has no labels";
    const missing = labels.find((name) => !Object.hasOwn(value, name));
    if (missing !== undefined) return `has no label '${missing.slice(0, 100)}', and the first row has`;
    for (const [name, bit] of Object.entries(value)) {
      if (!known.has(name)) return `has the label '${name.slice(0, 100)}', and the first row has not`;
      if (bit !== 0 && bit !== 1) return `gives the label '${name.slice(0, 100)}' neither 0 nor 1`;
    }
    return null;
  };
}

function textOrChat(value: unknown): string | null {
  if (Array.isArray(value)) return conversation(value);
  return typeof value === "string" ? text(value) : "is neither text nor a list of messages";
}

function conversation(value: unknown): string | null {
  if (!Array.isArray(value)) return "is not a list of messages";
  if (value.length === 0) return "is an empty list";
  for (const message of value) {
    const wrong = messageFault(message);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** `{role, content}` or `{from, value}`. */
function messageFault(message: unknown): string | null {
  if (!isRow(message)) return "holds a message that is not an object";
  const role = message["role"] ?? message["from"];
  const content = message["content"] ?? message["value"];
  if (role === undefined || content === undefined) return "holds a message without 'role' and 'content'";
  if (typeof role !== "string" || !ROLES.includes(role)) {
    return `holds a message with the role ${JSON.stringify(role).slice(0, 60)}; known: ${ROLES.join(", ")}`;
  }
  if (Array.isArray(content)) return content.every(isTextPart) ? null : "holds a message with a part that is not text";
  return text(content) === null ? null : `holds a message whose content ${String(text(content))}`;
}

function isTextPart(part: unknown): boolean {
  return isRow(part) && part["type"] === "text" && text(part["text"]) === null;
}

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
