/** An id in a query: one of another form is a 400 that says which form is meant. */
import { invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import { PREFIX } from "./schema";

export function filterId(kind: "project" | "engine", text: string): string {
  const id = parseId(PREFIX[kind], text);
  if (id === null)
    throw invalid(`${kind}_id`, `is not the id of a${kind === "engine" ? "n" : ""} ${kind} (${PREFIX[kind]}…)`);
  return id;
}
