/** One HTTP byte range (RFC 9110 §14). Several ranges are answered with the whole, as the RFC allows. */
import { DomainError } from "./errors";

export interface ByteRange {
  offset: number;
  length: number;
}

/** null: no range, or one that is to be ignored. Throws `range_not_satisfiable` for one beyond `sizeBytes`. */
export function parseRange(header: string | null, sizeBytes: number): ByteRange | null {
  const match = header === null ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match) return null;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return null;
  if (first === "") {
    const length = Math.min(Number(last), sizeBytes);
    if (length === 0) throw unsatisfiable(sizeBytes);
    return { offset: sizeBytes - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (last !== "" && Number(last) < offset) return null;
  if (offset >= sizeBytes) throw unsatisfiable(sizeBytes);
  return { offset, length: end - offset + 1 };
}

function unsatisfiable(sizeBytes: number): DomainError {
  return new DomainError("range_not_satisfiable", `the file has ${String(sizeBytes)} bytes`, { facts: { sizeBytes } });
}
