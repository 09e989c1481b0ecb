/**
 * What a job's stream is made of. Payloads are canonical: they are stored and shown with these names. Times are RFC 3339
 * in UTC with milliseconds.
 */
import type { LogLine, MetricKind } from "../../protocol";
import type { EventType } from "../domain/job";
import type { JobStatus } from "../domain/job-state";

export type { MetricKind } from "../../protocol";

export interface Payloads {
  event: { timestamp: string; event_type: EventType; metadata: Record<string, unknown>; attempt: number };
  metric: {
    timestamp: string;
    step: number;
    attempt: number;
    values: Record<string, number>;
    kind: MetricKind;
  };
  log: { timestamp: string; line: string; stream: LogLine["stream"]; attempt: number };
  notice: { timestamp: string; message: string; attempt: number };
  /** The last item of every stream. */
  end: { status: JobStatus };
}

export type ItemKind = keyof Payloads;

/** One item with its id, which counts all kinds of a job together from 1. */
export type StreamItem = { [K in ItemKind]: { id: number; kind: K; payload: Payloads[K] } }[ItemKind];

/** Items of one kind and attempt on their way into the log; `tsMs` is when this side received them. */
export interface Append<K extends ItemKind> {
  kind: K;
  attempt: number;
  tsMs: number;
  items: Omit<Payloads[K], "attempt">[];
}

export function timestamp(tsMs: number): string {
  return new Date(tsMs).toISOString();
}
