import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventLog } from "../../worker/streams/event-log";
import type { ItemKind } from "../../worker/streams/items";
import { renderItem } from "../../worker/streams/sse";
import { STATUS_WORDS } from "./fixture/status-words";
import { addEnd, addLines, inObject, keysOf, streamParts } from "./helpers";
import { type SseMessage } from "./sse-reader";

const upTo = (last: number, from = 1): number[] => Array.from({ length: last - from + 1 }, (_, i) => from + i);
const ids = (messages: { id: number }[]): number[] => messages.map((message) => message.id);
const timestamp = "2026-01-01T00:00:00.000Z";

/** Appends `count` items of a kind, of which the text tells them apart. */
function add(log: EventLog, kind: Exclude<ItemKind, "end">, count: number, attempt = 1): void {
  const texts = upTo(log.head() + count, log.head() + 1).map((id) => `${String(id)} €${"x".repeat(id % 90)}`);
  const append = { attempt, tsMs: 0 };
  if (kind === "log") addLines(log, texts);
  else if (kind === "event") {
    const items = texts.map((text) => ({ timestamp, event_type: "sample_masked" as const, metadata: { text } }));
    log.append({ ...append, kind, items });
  } else if (kind === "metric") {
    const items = texts.map((text) => ({
      timestamp,
      step: text.length,
      values: { [text]: 1 },
      kind: "train" as const,
    }));
    log.append({ ...append, kind, items });
  } else log.append({ ...append, kind, items: texts.map((message) => ({ timestamp, message })) });
}

/** The whole stream as it is shown, read from the object while nothing is sealed. */
function shown(log: EventLog): string[] {
  return log.read({ after: 0, maxItems: 1e6, maxBytes: 1e9 }).map((item) => renderItem(item, STATUS_WORDS));
}

const render = ({ id, event, data }: SseMessage): string =>
  `id: ${String(id)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

describe("sealing", () => {
  it("keeps every item readable from any id, with the same bytes, and lists events as before", () =>
    inObject(async (storage) => {
      const kinds = fc.constantFrom("log" as const, "event" as const, "metric" as const, "notice" as const);
      const runs = fc.array(fc.record({ kind: kinds, count: fc.integer({ min: 1, max: 30 }) }), {
        minLength: 1,
        maxLength: 20,
      });
      const property = fc.asyncProperty(runs, fc.nat(6), fc.nat(400), async (appends, seals, from) => {
        storage.sql.exec("DELETE FROM frames");
        storage.sql.exec("DELETE FROM segments");
        const { log, sealer, open } = streamParts(storage, { segmentBytes: 1_500 });
        for (const { kind, count } of appends) add(log, kind, count);
        addEnd(log);
        const [whole, events, head] = [shown(log), log.listEvents({ limit: 1000 }), log.head()];
        for (let done = 0; done < seals && (await sealer.sealOldest()); done++);
        expect([log.head(), log.endedAt()]).toEqual([head, head]);
        expect(log.listEvents({ limit: 1000 })).toEqual(events);
        const after = from % head;
        expect((await open(after).toEnd()).map(render)).toEqual(whole.slice(after));
      });
      await fc.assert(property, { numRuns: 15 });
    }));

  it("takes the oldest frames whole, frees them, and goes on counting", () =>
    inObject(async (storage) => {
      const { jobId, log, sealer } = streamParts(storage);
      add(log, "event", 1);
      for (let i = 0; i < 100; i++) add(log, "log", 1);
      const before = log.unsealedBytes();
      expect(await sealer.sealOldest()).toBe(true);
      const [segment] = storage.sql.exec<{ first: number; last: number; bytes: number }>("SELECT * FROM segments");
      expect(segment?.first).toBe(1);
      expect(log.floor()).toBe((segment?.last ?? 0) + 1);
      expect(log.unsealedBytes()).toBeLessThan(before - 1_500);
      // The event stays for lists; nothing else below the floor does.
      const kept = storage.sql.exec<{ kind: string }>("SELECT kind FROM frames WHERE id < ?", log.floor()).toArray();
      expect(kept).toEqual([{ kind: "event" }]);
      const [key] = await keysOf(jobId);
      expect(key).toMatch(new RegExp(`^streams/${jobId}/000000000001-0000000000\\d\\d-[0-9a-f]{16}\\.ndjson$`));
      while (await sealer.sealOldest());
      expect(addLines(log, ["next"])[0]?.id).toBe(102);
    }));

  it("heals after a crash between the file and the row: the next try uses the same file", () =>
    inObject(async (storage) => {
      const { jobId, blobs, log, sealer, open } = streamParts(storage);
      for (let i = 0; i < 60; i++) add(log, "log", 1);
      blobs.failPut(1);
      await expect(sealer.sealOldest()).rejects.toThrow("lost");
      const orphan = await keysOf(jobId);
      expect([orphan.length, log.floor()]).toEqual([1, 1]);
      add(log, "log", 1);
      await sealer.sealOldest();
      expect(await keysOf(jobId)).toEqual(orphan);
      expect(log.floor()).toBeGreaterThan(1);
      expect(ids(await open().take(61))).toEqual(upTo(61));
    }));

  it("says a gap only for the segment that is gone from R2, and the rest of the stream comes", () =>
    inObject(async (storage) => {
      const { jobId, log, sealer, open } = streamParts(storage);
      for (let i = 0; i < 200; i++) add(log, "log", 1);
      addEnd(log);
      for (let i = 0; i < 4; i++) await sealer.sealOldest();
      const gone = (await keysOf(jobId))[1] ?? "";
      await env.BUCKET.delete(gone);
      const [from, to] = storage.sql
        .exec<{ first: number; last: number }>("SELECT first, last FROM segments WHERE r2_key = ?", gone)
        .toArray()
        .flatMap(({ first, last }) => [first, last]) as [number, number];
      const messages = await open().toEnd();
      const gap = messages.find((message) => message.event === "gap");
      expect(gap).toEqual({ id: to, event: "gap", data: { from, to, read_instead: ["/elsewhere"] } });
      expect(ids(messages)).toEqual([...upTo(from - 1), ...upTo(201, to)]);
      // A resume inside what is gone says only what is still missing.
      expect((await open(from + 2).take(1))[0]?.data).toMatchObject({ from: from + 3, to });
    }));

  it("ends the stream while R2 is away, and the client resumes without a gap", () =>
    inObject(async (storage) => {
      const { blobs, log, sealer, open } = streamParts(storage);
      for (let i = 0; i < 100; i++) add(log, "log", 1);
      await sealer.sealOldest();
      blobs.failRead(1);
      await expect(open().take(1)).rejects.toThrow();
      expect(ids(await open().take(100))).toEqual(upTo(100));
    }));

  it("reads blocks, not files, once for a crowd", () =>
    inObject(async (storage) => {
      const { blobs, log, sealer, open } = streamParts(storage, { segmentBytes: 4_000_000 });
      for (let i = 0; i < 40; i++)
        addLines(
          log,
          Array.from({ length: 100 }, () => "x".repeat(1000)),
        );
      await sealer.sealOldest();
      // One item near the end of four megabytes.
      expect(ids(await open(3_500).take(1))).toEqual([3_501]);
      expect(blobs.reads).toBe(1);
      const crowd = await Promise.all(Array.from({ length: 6 }, () => open().take(600)));
      for (const messages of crowd) expect(ids(messages)).toEqual(upTo(600));
      expect(blobs.reads).toBeLessThan(6);
    }));
});

describe("the keeper", () => {
  it("seals by the alarm what is over the limit, some segments a run", () =>
    inObject(async (storage) => {
      const { keeper, clock, log, timers, open } = streamParts(storage);
      for (let i = 0; i < 50; i++) add(log, "log", 1);
      keeper.appended();
      expect(timers.next()).toBeNull();
      for (let i = 0; i < 250; i++) add(log, "log", 1);
      keeper.appended();
      expect([timers.next(), await storage.getAlarm()]).toEqual([clock.nowMs, clock.nowMs]);
      const segments = (): number => storage.sql.exec("SELECT 1 FROM segments").toArray().length;
      await keeper.onAlarm();
      // More is to be done, at once.
      expect([segments(), timers.next()]).toEqual([4, clock.nowMs]);
      while (timers.next() !== null) await keeper.onAlarm();
      expect(log.unsealedBytes()).toBeLessThanOrEqual(10_000);
      expect(log.unsealedBytes()).toBeGreaterThan(7_000);
      expect(ids(await open().take(300))).toEqual(upTo(300));
    }));

  it("tries again after a minute when R2 was away", () =>
    inObject(async (storage) => {
      const { keeper, blobs, clock, log, timers } = streamParts(storage);
      for (let i = 0; i < 300; i++) add(log, "log", 1);
      keeper.appended();
      blobs.failPut(1);
      await expect(keeper.onAlarm()).rejects.toThrow("lost");
      expect(timers.next()).toBe(clock.nowMs + 60_000);
      keeper.appended();
      expect(timers.next()).toBe(clock.nowMs + 60_000);
      clock.nowMs += 60_000;
      await keeper.onAlarm();
      expect(log.floor()).toBeGreaterThan(1);
    }));
});
