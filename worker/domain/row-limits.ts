/** What JSON allows in a row and its readers do not: they would fail in the middle of a training, or read another number. */

/** Levels of lists and objects in a row, itself the first. */
export const MAX_DEPTH = 100;

/** What is wrong, such as `is nested deeper than 100 levels`; null when nothing is. */
export function limitFault(value: unknown, depth = 1): string | null {
  if (typeof value === "number") return Number.isFinite(value) ? null : "has a number that is too large to be finite";
  if (typeof value !== "object" || value === null) return null;
  if (depth > MAX_DEPTH) return `is nested deeper than ${String(MAX_DEPTH)} levels`;
  for (const inner of Array.isArray(value) ? (value as unknown[]) : Object.values(value)) {
    const fault = limitFault(inner, depth + 1);
    if (fault !== null) return fault;
  }
  return null;
}
