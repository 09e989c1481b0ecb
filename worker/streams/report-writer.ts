/**
 * Applies an agent's report to the job's stream and metrics. Call it inside `transactionSync`, together with the lane's
 * `store`: then a report counts once, whole, or not at all.
 */
import type { DataItem, LogLine } from "../../protocol";
import type { EventLog } from "./event-log";
import { timestamp, type Append, type ItemKind, type StreamItem } from "./items";
import type { MetricRow, MetricStore } from "./metric-store";

export type ReportBody = { lane: "data"; items: DataItem[] } | { lane: "logs"; lines: LogLine[] };

/** Writes the report and gives back what subscribers have to be told, in order. Synchronous. */
export function writeReport(
  streams: { log: EventLog; metrics: MetricStore },
  report: ReportBody,
  attempt: number,
  nowMs: number,
): StreamItem[] {
  if (report.lane === "logs") {
    const items = report.lines.map((line) => ({
      timestamp: timestamp(line.ts_ms),
      line: line.line,
      stream: line.stream,
    }));
    return streams.log.append({ kind: "log", attempt, tsMs: nowMs, items });
  }
  writeMetrics(streams, report.items, attempt);
  return runsOf(report.items).flatMap((run) => streams.log.append({ ...run, attempt, tsMs: nowMs }));
}

function writeMetrics(streams: { metrics: MetricStore }, items: DataItem[], attempt: number): void {
  let rows: MetricRow[] = [];
  for (const item of items) {
    if (item.type === "metrics") {
      rows.push({ kind: item.kind, step: item.step, attempt, tsMs: item.ts_ms, values: item.values });
    } else if (item.type === "started") {
      streams.metrics.add(rows);
      rows = [];
      streams.metrics.beginAttempt(attempt, item.resumed_from_step);
    }
  }
  streams.metrics.add(rows);
}

type Run = { [K in ItemKind]: { kind: K; items: Append<K>["items"] } }[ItemKind];

/** Neighbours of one kind go into one frame; `started`, `progress` and `testing` are not part of the history. */
function runsOf(items: DataItem[]): Run[] {
  const runs: Run[] = [];
  const add = <K extends ItemKind>(kind: K, item: Append<K>["items"][number]): void => {
    const last = runs.at(-1);
    if (last?.kind === kind) (last.items as Append<K>["items"]).push(item);
    else runs.push({ kind, items: [item] } as Run);
  };
  for (const item of items) {
    const at = timestamp(item.ts_ms);
    switch (item.type) {
      case "started":
      case "progress":
      case "testing":
        break;
      case "metrics":
        add("metric", { timestamp: at, step: item.step, values: item.values, kind: item.kind });
        break;
      case "event":
        add("event", { timestamp: at, event_type: item.event_type, metadata: item.metadata });
        break;
      case "notice":
        add("notice", { timestamp: at, message: item.message });
        break;
    }
  }
  return runs;
}
