/** What must hold of a job once all is over, however often it was struck. Each check gives sentences, none when it holds. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { ApiClient } from "../../scripts/api";
import type { SseItem } from "../../scripts/sse";
import { downloadModel, readEvents, readJob, readPoints, readTests, type JobEvent, type Point } from "./api";

/** What a recipe gives when nobody disturbs it. */
export interface Reference {
  jobId: string;
  sha256: string;
  points: Point[];
  tests: unknown[];
}

/** The values that a clock has a part in. */
const TIMED = ["step_time"];

export async function readReference(client: ApiClient, jobId: string): Promise<Reference> {
  const { sha256, bytes } = await downloadModel(client, jobId);
  if (createHash("sha256").update(bytes).digest("hex") !== sha256) throw new Error(`${jobId}: wrong bytes`);
  return { jobId, sha256, points: await readPoints(client, jobId), tests: await readTests(client, jobId) };
}

export async function checkJob(
  client: ApiClient,
  jobId: string,
  reference: Reference,
  stream: SseItem[],
): Promise<string[]> {
  const job = await readJob(client, jobId);
  if (job.status !== "completed") {
    return [`ended as ${job.status}: ${JSON.stringify(job.reason)}\n${job.log_tail.slice(-5).join("\n")}`];
  }
  const [events, points, model, tests] = await Promise.all([
    readEvents(client, jobId),
    readPoints(client, jobId),
    downloadModel(client, jobId),
    readTests(client, jobId),
  ]);
  return [
    ...checkEvents(events, job.attempt),
    ...checkPoints(points, reference.points),
    ...checkStream(stream, events),
    ...(isDeepStrictEqual(tests, reference.tests) ? [] : [`the tests differ: ${JSON.stringify(tests)}`]),
    ...(job.checkpoint_sha256 === reference.sha256 ? [] : [`the weights differ: ${String(job.checkpoint_sha256)}`]),
    ...(createHash("sha256").update(model.bytes).digest("hex") === model.sha256 ? [] : ["the download's hash differs"]),
  ];
}

const TERMINAL = ["completed", "failed", "timed_out", "cancelled"];

export function checkEvents(events: JobEvent[], attempts: number): string[] {
  const ends = events.filter((event) => TERMINAL.includes(event.event_type));
  const claims = events.filter((event) => event.event_type === "provisioning" && !("revived" in event.metadata));
  const numbers = claims.map((event) => event.attempt);
  return [
    ...(ends.length === 1 && ends[0]?.event_type === "completed" ? [] : [`terminal events: ${types(ends)}`]),
    ...(events.at(-1)?.event_type === "completed" ? [] : [`the last event is ${types(events.slice(-1))}`]),
    ...(isCounting(numbers, 1) && numbers.length === attempts ? [] : [`attempts are claimed as ${numbers.join(" ")}`]),
    ...(isSorted(events.map((event) => event.attempt)) ? [] : ["events of an older attempt after a newer one's"]),
    ...(isSorted(events.map((event) => event.id)) ? [] : ["events are out of order"]),
  ];
}

/** The metric query shows every step once, each with the values that the undisturbed run had. */
export function checkPoints(points: Point[], reference: Point[]): string[] {
  const steps = points.map((point) => point.step).join(" ");
  if (steps !== reference.map((point) => point.step).join(" ")) {
    return [`the metrics' steps are ${difference(points, reference)}`];
  }
  const wrong = points.flatMap((point, index) => {
    const expected = untimed(reference[index]);
    const found = untimed(point);
    return found === expected ? [] : [`step ${String(point.step)} has ${found} and not ${expected}`];
  });
  return wrong.length === 0 ? [] : [`${String(wrong.length)} steps differ in value, the first: ${wrong[0] ?? ""}`];
}

/** Every id once and in order, live or replayed; each event of the list once; the end item last, once. */
export function checkStream(stream: SseItem[], events: JobEvent[]): string[] {
  const ids = stream.map((item) => Number(item.id));
  const shown = stream.filter((item) => item.event === "event").map((item) => Number(item.id));
  const ends = stream.filter((item) => item.event === "end");
  return [
    ...(isCounting(ids, 1) ? [] : [`the stream's ids do not count from 1: ${firstGap(ids)}`]),
    ...(shown.join(" ") === events.map((event) => event.id).join(" ") ? [] : ["stream and list have other events"]),
    ...(ends.length === 1 && stream.at(-1)?.event === "end" ? [] : [`${String(ends.length)} end items, or not last`]),
  ];
}

export function sameStream(a: SseItem[], b: SseItem[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function untimed(point: Point | undefined): string {
  const kept = Object.entries(point?.values ?? {}).filter(([key]) => !TIMED.includes(key));
  return JSON.stringify(kept.sort(([a], [b]) => a.localeCompare(b)));
}

function difference(points: Point[], reference: Point[]): string {
  const counts = new Map<number, number>();
  for (const { step } of points) counts.set(step, (counts.get(step) ?? 0) + 1);
  const missing = reference.filter(({ step }) => !counts.has(step)).map(({ step }) => step);
  const doubled = [...counts].filter(([, count]) => count > 1).map(([step]) => step);
  return `${String(points.length)} and not ${String(reference.length)}: without ${missing.slice(0, 5).join(" ") || "none"}, twice ${doubled.slice(0, 5).join(" ") || "none"}`;
}

function isCounting(numbers: number[], from: number): boolean {
  return numbers.every((number, index) => number === from + index);
}

function isSorted(numbers: number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0));
}

function firstGap(ids: number[]): string {
  const at = ids.findIndex((id, index) => id !== index + 1);
  return ids.slice(Math.max(0, at - 2), at + 3).join(" ");
}

function types(events: JobEvent[]): string {
  return events.map((event) => event.event_type).join(" ") || "none";
}
