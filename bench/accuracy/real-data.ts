/** The public data of `../shared/data`, as rows of each task. Read, never copied. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { jsonLines } from "../../test/harness/jobs";

/** A row of one line and no quoted newline: the shared files have no other. */
function csvRows(file: string): { text: string; label: string }[] {
  const lines = readFileSync(file, "utf8").trim().split(/\r?\n/).slice(1);
  return lines.map((line) => {
    const at = line.lastIndexOf(",");
    return { text: unquoted(line.slice(0, at)), label: line.slice(at + 1) };
  });
}

function unquoted(cell: string): string {
  return cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
}

export interface RealData {
  /** Customers' questions to a bank and their intents, as the files are. */
  questions(part: "train" | "test"): string;
  /** Half of them of the same intent, drawn with a seed. */
  pairs(part: "train" | "test", count: number): string;
  /** Mathematical problems and how large their answers are, from 0 to about 1. */
  sizes(part: "train" | "test", count: number): string;
}

export function realData(folder: string): RealData {
  return {
    questions: (part) => readFileSync(path.join(folder, `banking77-${part}.csv`), "utf8"),
    pairs: (part, count) => jsonLines(pairs(csvRows(path.join(folder, `banking77-${part}.csv`)), count)),
    sizes: (part, count) => {
      const lines = readFileSync(path.join(folder, `gsm8k-${part}.jsonl`), "utf8")
        .trim()
        .split("\n");
      return jsonLines(lines.slice(0, count).map(sizeOfAnswer));
    },
  };
}

function pairs(rows: { text: string; label: string }[], count: number): object[] {
  const byLabel = Map.groupBy(rows, ({ label }) => label);
  const groups = [...byLabel.values()].map((group) => group.map(({ text }) => text));
  const random = mulberry32(7);
  const below = (limit: number): number => Math.floor(random() * limit);
  return Array.from({ length: count }, (_, n) => {
    const one = groups[below(groups.length)] ?? [];
    const isSame = n % 2 === 1;
    const others = groups.filter((group) => group !== one);
    const other = isSame ? one : (others[below(others.length)] ?? []);
    const first = below(one.length);
    const second = isSame ? (first + 1 + below(one.length - 1)) % one.length : below(other.length);
    return { text1: one[first], text2: other[second], score: isSame ? 1 : 0 };
  });
}

function sizeOfAnswer(line: string): object {
  const { question, answer } = JSON.parse(line) as { question: string; answer: string };
  const value = Math.abs(Number((answer.split("####")[1] ?? "").replaceAll(",", "")));
  return { prompt: question, completion: Math.min(1, Math.log10(1 + value) / 4) };
}

/** A small generator with a seed, for draws that are the same each time. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
