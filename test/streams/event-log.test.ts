import { describe, expect, it } from "vitest";
import { DomainError } from "../../worker/domain/errors";
import { EventLog } from "../../worker/streams/event-log";
import { MAX_FRAME_BYTES } from "../../worker/streams/frames";
import { addEnd, addLines, inObject } from "./helpers";

const at = (second: number): string => new Date(second * 1000).toISOString();

describe("EventLog", () => {
  it("counts items of all kinds together from 1", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      expect([log.head(), log.floor(), log.endedAt()]).toEqual([0, 1, null]);
      expect(log.read({ after: 0, maxItems: 10, maxBytes: 1e6 })).toEqual([]);
      log.append({
        kind: "event",
        attempt: 1,
        tsMs: 5,
        items: [{ timestamp: at(1), event_type: "running", metadata: { attempt: 1 } }],
      });
      const lines = addLines(log, ["a", "b"]);
      log.append({
        kind: "metric",
        attempt: 2,
        tsMs: 6,
        items: [{ timestamp: at(2), step: 1, kind: "train", values: { loss: 0.5 } }],
      });
      log.append({ kind: "notice", attempt: 2, tsMs: 6, items: [{ timestamp: at(3), message: "dropped 3 lines" }] });
      addEnd(log);
      expect(lines.map((item) => item.id)).toEqual([2, 3]);
      expect([log.head(), log.floor(), log.endedAt()]).toEqual([6, 1, 6]);
      const timestamp = "2026-01-01T00:00:00.000Z";
      expect(log.read({ after: 0, maxItems: 10, maxBytes: 1e6 })).toEqual([
        {
          id: 1,
          kind: "event",
          payload: { timestamp: at(1), event_type: "running", metadata: { attempt: 1 }, attempt: 1 },
        },
        { id: 2, kind: "log", payload: { timestamp, line: "a", stream: "stdout", attempt: 1 } },
        { id: 3, kind: "log", payload: { timestamp, line: "b", stream: "stdout", attempt: 1 } },
        {
          id: 4,
          kind: "metric",
          payload: { timestamp: at(2), step: 1, kind: "train", values: { loss: 0.5 }, attempt: 2 },
        },
        { id: 5, kind: "notice", payload: { timestamp: at(3), message: "dropped 3 lines", attempt: 2 } },
        { id: 6, kind: "end", payload: { status: "timed_out" } },
      ]);
    }));

  it("refuses what comes after the end", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      addEnd(log);
      expect(() => addLines(log, ["late"])).toThrow(DomainError);
      expect(log.head()).toBe(1);
    }));

  it("splits a large append into frames and starts inside one", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      // Three bytes a character: the limit is in bytes.
      const lines = Array.from({ length: 300 }, (_, index) => `${String(index)} ${"€".repeat(1000)}`);
      addLines(log, lines);
      const frames = storage.sql.exec<{ id: number; n: number; body: string }>("SELECT * FROM frames").toArray();
      expect(frames.length).toBeGreaterThan(3);
      expect(frames.reduce((sum, frame) => sum + frame.n, 0)).toBe(300);
      for (const frame of frames) {
        expect(new TextEncoder().encode(frame.body).byteLength).toBeLessThanOrEqual(MAX_FRAME_BYTES);
      }
      for (const after of [0, 1, 57, 86, 87, 199, 298, 299]) {
        const items = log.read({ after, maxItems: 2, maxBytes: 1e9 });
        expect(items.map((item) => item.id)).toEqual(after === 299 ? [300] : [after + 1, after + 2]);
        expect(items[0]?.payload).toMatchObject({ line: lines[after] });
      }
      expect(log.read({ after: 300, maxItems: 2, maxBytes: 1e9 })).toEqual([]);
      expect(log.read({ after: 9999, maxItems: 2, maxBytes: 1e9 })).toEqual([]);
    }));

  it("refuses an item that no frame can hold, and keeps nothing of its append", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      const tooLong = ["fits", "x".repeat(MAX_FRAME_BYTES)];
      expect(() => storage.transactionSync(() => addLines(log, tooLong))).toThrow(/at most 262144 bytes/);
      expect(log.head()).toBe(0);
    }));

  it("reads pages of bounded size, one item at least", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      addLines(
        log,
        Array.from({ length: 100 }, () => "x".repeat(1000)),
      );
      const page = log.read({ after: 10, maxItems: 1000, maxBytes: 10_000 });
      expect(page.length).toBeGreaterThanOrEqual(8);
      expect(page.length).toBeLessThanOrEqual(10);
      expect(log.read({ after: 10, maxItems: 1000, maxBytes: 1 }).map((item) => item.id)).toEqual([11]);
    }));

  it("lists events alone, by their index", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      const event = (second: number, event_type: "created" | "running" | "sample_masked", index = 0) => ({
        timestamp: at(second),
        event_type,
        metadata: { index },
      });
      log.append({ kind: "event", attempt: 0, tsMs: 0, items: [event(1, "created")] });
      addLines(log, ["a", "b", "c"]);
      log.append({
        kind: "event",
        attempt: 1,
        tsMs: 0,
        items: [event(2, "running"), event(3, "sample_masked", 1), event(4, "sample_masked", 2)],
      });
      expect(log.listEvents({ limit: 10 })).toEqual({
        items: [
          { id: 1, type: "created", atMs: 1000, attempt: 0, metadata: { index: 0 } },
          { id: 5, type: "running", atMs: 2000, attempt: 1, metadata: { index: 0 } },
          { id: 6, type: "sample_masked", atMs: 3000, attempt: 1, metadata: { index: 1 } },
          { id: 7, type: "sample_masked", atMs: 4000, attempt: 1, metadata: { index: 2 } },
        ],
        hasMore: false,
      });
      const ids = (query: Parameters<typeof log.listEvents>[0]) => log.listEvents(query).items.map((item) => item.id);
      expect(ids({ limit: 2 })).toEqual([1, 5]);
      expect(log.listEvents({ limit: 2 }).hasMore).toBe(true);
      expect(ids({ limit: 2, after: 5 })).toEqual([6, 7]);
      expect(log.listEvents({ limit: 2, after: 5 }).hasMore).toBe(false);
      const plan = storage.sql
        .exec<{ detail: string }>(
          "EXPLAIN QUERY PLAN SELECT id FROM frames WHERE kind = 'event' AND id >= 3 ORDER BY id",
        )
        .toArray();
      expect(plan.map((row) => row.detail).join()).toContain("frames_event");
    }));

  it("has its floor above what was sealed, and its head from there when nothing is left", () =>
    inObject((storage) => {
      const log = new EventLog(storage);
      addLines(log, ["a", "b", "c"]);
      storage.sql.exec("INSERT INTO segments (first, last, r2_key, bytes) VALUES (1, 3, 'key', 10)");
      storage.sql.exec("DELETE FROM frames");
      expect([log.head(), log.floor()]).toEqual([3, 4]);
      expect(addLines(log, ["d"])[0]?.id).toBe(4);
    }));
});
