/**
 * The line protocol of a trainer or a model server, read from its descriptor. A line that is too long, no JSON or not in the protocol is
 * told as such and skipped: a slip must not end an hour of training.
 */
import type { Readable } from "node:stream";
import type { z } from "zod";
import { trainerLine, type TrainerLine } from "../../protocol";
import { LineSplitter } from "./split-lines";
import { chunksOf } from "./trainer-process";

export const MAX_LINE_BYTES = 1024 * 1024;

export type ReadLine<Line = TrainerLine> = { readonly line: Line } | { readonly problem: string };

export function readTrainerLines(stream: Readable): AsyncGenerator<ReadLine> {
  return readReportLines(stream, trainerLine);
}

export async function* readReportLines<Line>(
  stream: Readable,
  schema: z.ZodType<Line>,
): AsyncGenerator<ReadLine<Line>> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  let isSkipping = false;
  for await (const chunk of chunksOf(stream)) {
    for (const piece of splitter.push(chunk)) {
      if (piece.isEnd && !isSkipping) yield parseLine(piece.bytes.toString("utf8"), schema);
      if (!piece.isEnd && !isSkipping) yield { problem: `longer than ${MAX_LINE_BYTES} bytes` };
      isSkipping = !piece.isEnd;
    }
  }
  for (const piece of splitter.end()) {
    if (!isSkipping) yield parseLine(piece.bytes.toString("utf8"), schema);
  }
}

function parseLine<Line>(text: string, schema: z.ZodType<Line>): ReadLine<Line> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: `not JSON: ${text.slice(0, 100)}` };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { line: parsed.data };
  const issue = parsed.error.issues[0];
  return { problem: `${issue?.path.join(".") || "line"}: ${issue?.message ?? "not in the protocol"}` };
}
