/** What both `Number` here and `float` in the trainer read, alike: no `0x10`, no `1_000`, no `nan`. */
const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;

/** A finite number written as text; null when it is something else. */
export function numberIn(text: string): number | null {
  const value = Number(text);
  return NUMBER.test(text) && Number.isFinite(value) ? value : null;
}
