/**
 * How often each label comes, and of what kind they are: `binary` when there is one, which a row has or has not,
 * `multiclass` when every row has exactly one of several, else `multilabel`. The trainer tells them apart by the same rule.
 */
import type { LabelProfile } from "./artifacts";
import { isRow, type Row } from "./dataset-rows";

/** The counts are kept in the dataset's record: no more labels than this, and no more of their text. */
const MAX_LABELS = 1000;
const MAX_TEXT_CHARS = 64 * 1024;
export const MAX_LABEL_CHARS = 1000;

export class LabelCounts {
  #counts = new Map<string, number>();
  #textChars = 0;
  #isOverfull = false;
  #rows = 0;
  #ones = 0;
  #isOneEach = true;

  add(row: Row): void {
    if (this.#isOverfull) return;
    let ones = 0;
    for (const [label, bit] of bitsOf(row)) {
      this.#count(label, bit);
      ones += bit;
    }
    this.#rows += 1;
    this.#ones += ones;
    if (ones !== 1) this.#isOneEach = false;
  }

  /** undefined: there are too many. */
  profile(): LabelProfile | undefined {
    if (this.#isOverfull || this.#rows === 0) return undefined;
    if (this.#counts.size === 1) {
      return { kind: "binary", counts: { positive: this.#ones, negative: this.#rows - this.#ones } };
    }
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return { kind: this.#isOneEach ? "multiclass" : "multilabel", counts: Object.fromEntries(sorted) };
  }

  #count(label: string, bit: number): void {
    const before = this.#counts.get(label);
    if (before === undefined) this.#textChars += label.length;
    this.#counts.set(label, (before ?? 0) + bit);
    this.#isOverfull = this.#counts.size > MAX_LABELS || this.#textChars > MAX_TEXT_CHARS;
    if (this.#isOverfull) this.#counts.clear();
  }
}

/** Each label of a row with 1, or with the 0 that it says itself. */
function bitsOf({ completion, label, labels }: Row): [string, number][] {
  if (isRow(completion)) return Object.entries(completion).map(([name, bit]) => [name, bit === 1 ? 1 : 0]);
  if (Array.isArray(labels)) return [...new Set(labels.map(String))].map((name) => [name, 1]);
  const one = label ?? completion;
  return typeof one === "object" || one === undefined ? [] : [[String(one as string | number | boolean), 1]];
}
