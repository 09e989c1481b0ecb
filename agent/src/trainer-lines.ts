/**
 * The trainer's line protocol, read from its descriptor. A line that is too long, no JSON or not in the protocol is
 * told as such and skipped: a trainer's slip must not end an hour of training.
 */
import type { Readable } from "node:stream";
import { trainerLine, type TrainerLine } from "../../protocol";
import { LineSplitter } from "./split-lines";
import { chunksOf } from "./trainer-process";

export const MAX_LINE_BYTES = 1024 * 1024;

export type ReadLine = { readonly line: TrainerLine } | { readonly problem: string };

export async function* readTrainerLines(stream: Readable): AsyncGenerator<ReadLine> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let isSkipping = false;
  for await (const chunk of chunksOf(stream)) {
    for (const piece of splitter.push(chunk)) {
      if (piece.isEnd && !isSkipping) yield parseLine(piece.bytes.toString("utf8"));
      if (!piece.isEnd && !isSkipping) yield { problem: `longer than ${MAX_LINE_BYTES} bytes` };
      isSkipping = !piece.isEnd;
    }
  }
  for (const piece of splitter.end()) {
    if (!isSkipping) yield parseLine(piece.bytes.toString("utf8"));
  }
}

function parseLine(text: string): ReadLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: `not JSON: ${text.slice(0, 100)}` };
  }
  const parsed = trainerLine.safeParse(value);
  if (parsed.success) return { line: parsed.data };
  const issue = parsed.error.issues[0];
  return { problem: `${issue?.path.join(".") || "line"}: ${issue?.message ?? "not in the protocol"}` };
}
