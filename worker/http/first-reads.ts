/** A route's first read: the record that its path names, in the dialect's form of the id. */
import { notFound } from "../domain/errors";
import { parseId } from "../domain/ids";
import type { FirstRead } from "../domain/ports";

/** The path's `{id}`, or what the dialect calls it; one of another form reads nothing and is not found. */
export function readById(
  kind: Exclude<FirstRead["kind"], "none" | "module" | "served">,
  prefix: string,
  param = "id",
): (params: Record<string, string>) => FirstRead {
  return (params) => {
    const id = parseId(prefix, params[param] ?? "");
    return id === null ? { kind: "none" } : { kind, id };
  };
}

/** What was read, or 404: another account's does not exist. */
export function found<T>(record: T | null, what: string): T {
  if (record === null) throw notFound(what);
  return record;
}
