import { describe, expect, it } from "vitest";
import type { DataItem } from "../../protocol";
import { EventLog } from "../../worker/streams/event-log";
import { MetricStore } from "../../worker/streams/metric-store";
import { writeReport } from "../../worker/streams/report-writer";
import { addEnd, inObject } from "./helpers";

function streamsOf(storage: DurableObjectStorage) {
  return { log: new EventLog(storage), metrics: new MetricStore(storage) };
}

const started = (resumed_from_step: number): DataItem => ({
  type: "started",
  ts_ms: 0,
  total_steps: 10,
  resumed_from_step,
  world_size: 1,
  device: "cpu",
  versions: {},
});
const metrics = (step: number, loss: number): DataItem => ({
  type: "metrics",
  ts_ms: 1500 + step,
  step,
  kind: "train",
  values: { loss },
});

describe("writeReport", () => {
  it("puts neighbours of one kind into one frame and tells what to broadcast", () =>
    inObject((storage) => {
      const streams = streamsOf(storage);
      const items: DataItem[] = [
        started(0),
        metrics(1, 3),
        { type: "progress", ts_ms: 2, step: 1, total_steps: 10, epoch: 0.1 },
        metrics(2, 2),
        { type: "event", ts_ms: 3, event_type: "sample_masked", metadata: { rows: 2 } },
        { type: "notice", ts_ms: 4, message: "look" },
        metrics(3, 1),
      ];
      const told = storage.transactionSync(() => writeReport(streams, { lane: "data", items }, 1, 77));
      expect(told.map((item) => [item.id, item.kind])).toEqual([
        [1, "metric"],
        [2, "metric"],
        [3, "event"],
        [4, "notice"],
        [5, "metric"],
      ]);
      expect(told).toEqual(streams.log.read({ after: 0, maxItems: 99, maxBytes: 1e6 }));
      expect(told[0]?.payload).toEqual({
        timestamp: "1970-01-01T00:00:01.501Z",
        step: 1,
        attempt: 1,
        values: { loss: 3 },
        kind: "train",
      });
      const frames = storage.sql.exec<{ n: number; ts: number }>("SELECT n, ts FROM frames ORDER BY id").toArray();
      expect(frames).toEqual([2, 1, 1, 1].map((n) => ({ n, ts: 77 })));
    }));

  it("begins an attempt in the midst of a report: the query hides, the stream does not", () =>
    inObject((storage) => {
      const streams = streamsOf(storage);
      writeReport(streams, { lane: "data", items: [started(0), metrics(1, 3), metrics(2, 2), metrics(3, 1)] }, 1, 0);
      writeReport(streams, { lane: "data", items: [started(1), metrics(2, 20)] }, 2, 0);
      expect(streams.metrics.query({ maxPoints: 9 }).points.map((point) => [point.step, point.attempt])).toEqual([
        [1, 1],
        [2, 2],
      ]);
      const all = streams.log.read({ after: 0, maxItems: 99, maxBytes: 1e6 });
      expect(all.map((item) => item.kind === "metric" && [item.payload.step, item.payload.attempt])).toEqual([
        [1, 1],
        [2, 1],
        [3, 1],
        [2, 2],
      ]);
    }));

  it("writes lines of the log", () =>
    inObject((storage) => {
      const streams = streamsOf(storage);
      const lines = [
        { ts_ms: 1000, stream: "stdout" as const, line: "one" },
        { ts_ms: 1001, stream: "stderr" as const, line: "two" },
      ];
      const told = writeReport(streams, { lane: "logs", lines }, 3, 0);
      expect(told.map((item) => item.payload)).toEqual([
        { timestamp: "1970-01-01T00:00:01.000Z", line: "one", stream: "stdout", attempt: 3 },
        { timestamp: "1970-01-01T00:00:01.001Z", line: "two", stream: "stderr", attempt: 3 },
      ]);
    }));

  it("keeps nothing of a report that is refused", () =>
    inObject((storage) => {
      const streams = streamsOf(storage);
      addEnd(streams.log);
      const report = { lane: "data" as const, items: [started(0), metrics(1, 3)] };
      expect(() => storage.transactionSync(() => writeReport(streams, report, 1, 0))).toThrow(/has ended/);
      expect(streams.metrics.query({ maxPoints: 9 })).toEqual({ points: [], availableKeys: [], latestStep: null });
    }));
});
