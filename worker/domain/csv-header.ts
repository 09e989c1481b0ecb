/**
 * What a CSV's first line says: which column is the prompt, which the completion, by the names that people use. The
 * trainer's loader knows the same names (`agent/trainer/anneal_trainer/data.py`).
 */

import { MAX_COLUMNS } from "./row-reader";

/** Names that stand for a column, in order of preference. */
const PROMPT = ["prompt", "input", "text"];
const COMPLETION = ["completion", "expected_output", "label", "category"];

export interface CsvColumn {
  /** As rows have it. */
  name: "prompt" | "completion" | "text" | "text1" | "text2" | "score";
  /** As the file has it, and where. */
  header: string;
  index: number;
}

/** The columns that are read, or what is wrong with the header. */
export function csvColumns(headers: string[]): CsvColumn[] | string {
  if (headers.length > MAX_COLUMNS) return `names more than ${String(MAX_COLUMNS)} columns`;
  const twice = headers.find((name, index) => headers.indexOf(name) < index);
  if (twice !== undefined) return `names the column '${shown(twice)}' twice`;
  // Whoever reads it next would take it for JSON.
  if (headers[0]?.startsWith("{")) return "begins with '{': that is JSON and no header of a CSV";
  const column = (name: CsvColumn["name"], header: string): CsvColumn => {
    return { name, header, index: headers.indexOf(header) };
  };
  const has = (...names: string[]): boolean => names.every((name) => headers.includes(name));
  if (has("text1", "text2", "score")) {
    return [column("text1", "text1"), column("text2", "text2"), column("score", "score")];
  }
  const prompt = PROMPT.find((name) => has(name));
  const completion = COMPLETION.find((name) => has(name));
  if (prompt === undefined) return unknownHeader(headers);
  if (completion !== undefined) return [column("prompt", prompt), column("completion", completion)];
  if (prompt !== "prompt" && has("score")) return [column("text", prompt), column("score", "score")];
  return [column(prompt === "text" ? "text" : "prompt", prompt)];
}

function unknownHeader(headers: string[]): string {
  const found = headers.slice(0, 20).join("', '").slice(0, 300);
  return (
    `is the header and names '${found}'; 'prompt' (or 'input', 'text') is needed, with 'completion' (or ` +
    "'expected_output', 'label', 'category') where there is one, or 'text1', 'text2' and 'score'; 'messages' come in JSON"
  );
}

function shown(name: string): string {
  return name.slice(0, 100);
}
