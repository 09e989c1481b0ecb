/** What a benchmark gives back, and how it is judged and shown. */

export interface Result {
  /** `<benchmark>/<figure>`. */
  name: string;
  /** null when it could not be measured. */
  value: number | null;
  /** `×` for a ratio. */
  unit: string;
  /** As DESIGN §8 has it; null for a figure that is only told. */
  target: string | null;
  /** null where there is no target. */
  holds: boolean | null;
  /** How it was measured, and the figures that it was made of. */
  detail: string;
}

export function atMost(name: string, value: number, unit: string, limit: number, detail: string): Result {
  return { name, value: round(value), unit, target: `≤ ${String(limit)}`, holds: value <= limit, detail };
}

export function atLeast(name: string, value: number, unit: string, limit: number, detail: string): Result {
  return { name, value: round(value), unit, target: `≥ ${String(limit)}`, holds: value >= limit, detail };
}

/** A condition that is no number. */
export function must(name: string, target: string, holds: boolean, detail: string): Result {
  return { name, value: null, unit: "", target, holds, detail };
}

export function told(name: string, value: number, unit: string, detail: string): Result {
  return { name, value: round(value), unit, target: null, holds: null, detail };
}

/** A benchmark that broke down does not hold. */
export function failure(name: string, error: unknown): Result {
  const why = error instanceof Error ? error.message : String(error);
  return { name, value: null, unit: "", target: "runs to its end", holds: false, detail: why };
}

export function describe(result: Result): string {
  const mark = result.holds === null ? "     " : result.holds ? "ok   " : "FAILS";
  const value = result.value === null ? "" : ` ${String(result.value)} ${result.unit}`;
  const target = result.target === null ? "" : ` (target ${result.target})`;
  return `${mark} ${result.name}${value}${target}\n        ${result.detail}`;
}

/** Four significant digits: no figure here is better than that. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
