/** What kind of file a dataset is, by its name or, where that says nothing, by how it begins. */
import type { FileKind } from "./artifacts";

const BY_ENDING: Record<string, FileKind> = { csv: "csv", jsonl: "jsonl", ndjson: "jsonl", json: "jsonl" };

/** null: the name does not say. */
export function fileKindByName(name: string | null): FileKind | null {
  const ending = /\.([a-z]+)$/i.exec(name ?? "")?.[1] ?? "";
  return BY_ENDING[ending.toLowerCase()] ?? null;
}

/** JSON Lines begin with `{`, and a list is what people send in their place; null: these bytes are blank. */
export function fileKindByBytes(bytes: Uint8Array): FileKind | null {
  const first = new TextDecoder().decode(bytes).trimStart()[0];
  if (first === undefined) return null;
  return first === "{" || first === "[" ? "jsonl" : "csv";
}

/** `rows.jsonl` → `rows`. */
export function fileStem(name: string): string {
  return name.replace(/(?<=.)\.[^.]*$/, "");
}
