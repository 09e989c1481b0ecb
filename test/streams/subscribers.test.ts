import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { EventLog } from "../../worker/streams/event-log";
import type { StreamItem } from "../../worker/streams/items";
import { parseLastEventId, renderItem } from "../../worker/streams/sse";
import {
  COALESCE_ABOVE,
  COALESCE_MS,
  KEEP_ALIVE_MS,
  MAX_QUEUED_BYTES,
  MAX_SUBSCRIBERS,
  Subscribers,
} from "../../worker/streams/subscribers";
import { STATUS_WORDS } from "./fixture/status-words";
import { addEnd, addLines, freshStub, inObject, ManualScheduler, sealedReader } from "./helpers";
import { SseReader } from "./sse-reader";

function hubOf(storage: DurableObjectStorage) {
  const log = new EventLog(storage);
  const scheduler = new ManualScheduler();
  const hub = new Subscribers(log, sealedReader(storage), scheduler);
  const open = (after = 0, statusWords = STATUS_WORDS): SseReader =>
    new SseReader(hub.subscribe({ after, statusWords, readInstead: ["/elsewhere"] }));
  const say = (...lines: string[]): void => hub.broadcast(addLines(log, lines));
  return { log, scheduler, hub, open, say };
}

/** Lets the runtime pass on what is ready: some turns of the event loop, not a wait. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await scheduler.wait(0);
};

const upTo = (last: number, from = 1): number[] => Array.from({ length: last - from + 1 }, (_, i) => from + i);
const ids = (messages: { id: number }[]): number[] => messages.map((message) => message.id);

describe("SSE", () => {
  it("renders each kind with exactly its fields, one line of data", () => {
    const timestamp = "2026-01-01T00:00:00.250Z";
    const render = (item: StreamItem): string => renderItem(item, STATUS_WORDS);
    expect(
      render({ id: 7, kind: "log", payload: { timestamp, line: "a\nb\r\u2028", stream: "stderr", attempt: 2 } }),
    ).toBe(`id: 7\nevent: log\ndata: {"timestamp":"${timestamp}","line":"a\\nb\\r\u2028","stream":"stderr"}\n\n`);
    expect(
      render({
        id: 8,
        kind: "metric",
        payload: { timestamp, step: 3, attempt: 2, values: { loss: 1 }, kind: "train" },
      }),
    ).toBe(`id: 8\nevent: metric\ndata: {"timestamp":"${timestamp}","step":3,"attempt":2,"values":{"loss":1}}\n\n`);
    expect(
      render({ id: 9, kind: "event", payload: { timestamp, event_type: "running", metadata: { a: 1 }, attempt: 2 } }),
    ).toBe(`id: 9\nevent: event\ndata: {"timestamp":"${timestamp}","event_type":"running","metadata":{"a":1}}\n\n`);
    expect(render({ id: 10, kind: "notice", payload: { timestamp, message: "m", attempt: 2 } })).toBe(
      `id: 10\nevent: notice\ndata: {"timestamp":"${timestamp}","message":"m"}\n\n`,
    );
    expect(render({ id: 11, kind: "end", payload: { status: "timed_out" } })).toBe(
      'id: 11\nevent: end\ndata: {"status":"failed"}\n\n',
    );
  });

  it("reads Last-Event-ID", () => {
    expect(parseLastEventId(null, 9)).toBe(0);
    expect(parseLastEventId("0", 9)).toBe(0);
    expect(parseLastEventId("5", 9)).toBe(5);
    expect(parseLastEventId("9999999999999999999999", 9)).toBe(9);
    for (const bad of ["", "x", "-1", "1.5", "1e3", " 1", "0x1"]) {
      expect(() => parseLastEventId(bad, 9)).toThrow(/Last-Event-ID/);
    }
  });
});

describe("Subscribers", () => {
  it("replays, goes live, and closes after the end with the dialect's word", () =>
    inObject(async (storage) => {
      const { log, hub, open, say } = hubOf(storage);
      say("before");
      const veri = open();
      const native = open(0, { ...STATUS_WORDS, timed_out: "timed_out" });
      expect(hub.hasListeners).toBe(true);
      expect(ids(await veri.take(1))).toEqual([1]);
      say("live");
      hub.broadcast(addEnd(log));
      const rest = await veri.toEnd();
      expect(rest.map((message) => [message.id, message.event])).toEqual([
        [2, "log"],
        [3, "end"],
      ]);
      expect(rest[1]?.data).toEqual({ status: "failed" });
      expect((await native.toEnd()).at(-1)?.data).toEqual({ status: "timed_out" });
      await settle();
      expect(hub.hasListeners).toBe(false);
      expect(log.endedAt()).toBe(3);
      // From a point before the end all is replayed; at the end there is nothing, and the stream closes.
      expect(ids(await open(1).toEnd())).toEqual([2, 3]);
      expect(await open(3).toEnd()).toEqual([]);
    }));

  it("says what lies below the floor", () =>
    inObject(async (storage) => {
      const { log, open } = hubOf(storage);
      addLines(log, ["a", "b", "c"]);
      addEnd(log);
      storage.sql.exec("INSERT INTO segments (first, last, r2_key, bytes) VALUES (1, 3, 'key', 10)");
      storage.sql.exec("DELETE FROM frames WHERE kind = 'log'");
      const messages = await open(1).toEnd();
      expect(messages).toMatchObject([
        { id: 3, event: "gap", data: { from: 2, to: 3, read_instead: ["/elsewhere"] } },
        { id: 4, event: "end" },
      ]);
    }));

  it("replays a log that is larger than memory should be, page by page", () =>
    inObject(async (storage) => {
      const { log, hub, open, say } = hubOf(storage);
      for (let frame = 0; frame < 20; frame++)
        addLines(
          log,
          Array.from({ length: 100 }, () => "x".repeat(1000)),
        );
      const pages = vi.spyOn(log, "read");
      const reader = open();
      // What is said meanwhile waits in the log, not in the queue: it may be more than the queue would take.
      for (let i = 0; i < 20; i++) say("x".repeat(10_000));
      await settle();
      expect([hub.size, pages.mock.calls.length]).toEqual([1, 1]);
      expect(ids(await reader.take(700))).toEqual(upTo(700));
      expect(ids(await reader.take(1320))).toEqual(upTo(2020, 701));
      say("live");
      expect(ids(await reader.take(1))).toEqual([2021]);
    }));

  it("cuts a live subscriber that does not read, and it resumes by id without loss", () =>
    inObject(async (storage) => {
      const { hub, open, say } = hubOf(storage);
      const slow = open();
      const quick = open();
      await settle();
      const line = "x".repeat(10_000);
      let said = 0;
      while (hub.size === 2) {
        say(line);
        said += 1;
        expect(said * line.length).toBeLessThan(2 * MAX_QUEUED_BYTES);
        expect(ids(await quick.take(1))).toEqual([said]);
      }
      expect(said).toBe(7);
      await expect(slow.toEnd()).rejects.toThrow();
      const again = open(2);
      expect(ids(await again.take(said - 2))).toEqual(upTo(said, 3));
    }));

  it("pages a broadcast that is larger than the queue to those who keep up", () =>
    inObject(async (storage) => {
      const { hub, open, say } = hubOf(storage);
      const reader = open();
      await settle();
      say(...Array.from({ length: 300 }, () => "x".repeat(1000)));
      expect(hub.size).toBe(1);
      expect(ids(await reader.take(300))).toEqual(upTo(300));
    }));

  it("goes back to the log when it was not told of something", () =>
    inObject(async (storage) => {
      const { log, hub, open, say } = hubOf(storage);
      const reader = open();
      await settle();
      addLines(log, ["never broadcast"]);
      say("broadcast");
      hub.broadcast(log.read({ after: 0, maxItems: 1, maxBytes: 1e6 }));
      say("next");
      expect(ids(await reader.take(3))).toEqual([1, 2, 3]);
    }));

  it("takes 500 and no more", () =>
    inObject(async (storage) => {
      const { hub, open } = hubOf(storage);
      const readers = Array.from({ length: MAX_SUBSCRIBERS }, () => open());
      expect(hub.isFull).toBe(true);
      expect(() => open()).toThrow(/500 open streams/);
      await readers[0]?.cancel();
      // Only a write finds out that a reader has gone.
      hub.tick();
      await settle();
      expect(hub.isFull).toBe(false);
    }));

  it("gathers for 50 ms what goes to many", () =>
    inObject(async (storage) => {
      const { log, scheduler, open, say } = hubOf(storage);
      say("before");
      const readers = Array.from({ length: COALESCE_ABOVE + 1 }, () => open(1));
      await settle();
      const chunks = readers.map((reader) => reader.nextChunk());
      say("a");
      // One that comes in between has the first from the log, and not a second time.
      const late = open(1);
      expect(ids(await late.take(1))).toEqual([2]);
      await settle();
      say("b", "c");
      scheduler.advance(COALESCE_MS);
      for (const chunk of chunks) expect((await chunk).match(/id: \d+/g)).toEqual(["id: 2", "id: 3", "id: 4"]);
      expect(ids(await late.take(2))).toEqual([3, 4]);
      say("d");
      scheduler.advance(COALESCE_MS);
      expect(ids(await late.take(1))).toEqual([5]);
      expect(log.head()).toBe(5);
    }));

  it("keeps connections alive only while there are any, and drops the dead and the stalled", () =>
    inObject(async (storage) => {
      const { hub, scheduler, open, say } = hubOf(storage);
      expect(scheduler.waiting).toBe(0);
      const reader = open();
      const dead = open();
      const stalled = open();
      await settle();
      expect(scheduler.waiting).toBe(1);
      const waiting = reader.nextChunk();
      await dead.cancel();
      scheduler.advance(KEEP_ALIVE_MS);
      expect(await waiting).toBe(": keep-alive\n\n");
      await settle();
      expect(hub.size).toBe(2);
      say("one");
      for (let minute = 0; minute < 4; minute++) {
        const next = reader.nextChunk();
        scheduler.advance(KEEP_ALIVE_MS);
        await next;
        await settle();
      }
      expect(hub.size).toBe(1);
      await expect(stalled.toEnd()).rejects.toThrow();
      await reader.cancel();
      scheduler.advance(KEEP_ALIVE_MS);
      await settle();
      expect([hub.size, scheduler.waiting]).toEqual([0, 0]);
    }));
});

it("streams out of the object as the body of a response", async () => {
  const stub = freshStub();
  await stub.say("one");
  const response = await stub.fetch("http://object/");
  const reader = new SseReader(response.body ?? new ReadableStream());
  expect(ids(await reader.take(1))).toEqual([1]);
  await stub.say("two");
  await stub.say("three");
  expect((await reader.take(2)).map((message) => message.data.line)).toEqual(["two", "three"]);
  await stub.end();
  expect((await reader.toEnd()).map((message) => message.event)).toEqual(["end"]);
});

describe("resuming", () => {
  type Act =
    | { type: "append"; count: number }
    | { type: "append untold"; count: number }
    | { type: "read"; count: number }
    | { type: "cut" }
    | { type: "crowd" }
    | { type: "time" };

  const act: fc.Arbitrary<Act> = fc.oneof(
    fc.record({ type: fc.constant("append" as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ type: fc.constant("append untold" as const), count: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ type: fc.constant("read" as const), count: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ type: fc.constant("cut" as const) }),
    fc.record({ type: fc.constant("crowd" as const) }),
    fc.record({ type: fc.constant("time" as const) }),
  );

  it("loses and repeats nothing, wherever it is cut and however appends fall", () =>
    inObject(async (storage) => {
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 30 }), async (acts) => {
          storage.sql.exec("DELETE FROM frames");
          const { log, hub, scheduler, open } = hubOf(storage);
          const seen: number[] = [];
          const lines: unknown[] = [];
          let reader = open();
          const note = (messages: { id: number; data: Record<string, unknown> }[]): void => {
            for (const message of messages) {
              seen.push(message.id);
              lines.push(message.data.line);
            }
          };
          const append = (count: number): StreamItem[] =>
            addLines(
              log,
              upTo(log.head() + count, log.head() + 1).map((id) => `${String(id)} ${"x".repeat(200)}`),
            );
          for (const step of acts) {
            if (step.type === "append") hub.broadcast(append(step.count));
            else if (step.type === "append untold") append(step.count);
            else if (step.type === "crowd") for (let i = 0; i < COALESCE_ABOVE; i++) open(log.head());
            else if (step.type === "time") scheduler.advance(COALESCE_MS);
            else if (step.type === "cut") {
              // One that was cut for being slow has failed already, and says so again.
              await reader.cancel().catch(() => undefined);
              reader = open(seen.at(-1) ?? 0);
            } else {
              // Only as many as have been told: the rest would be waited for.
              scheduler.advance(COALESCE_MS);
              hub.broadcast(append(1));
              scheduler.advance(COALESCE_MS);
              note(await reader.take(Math.min(step.count, log.head() - seen.length)).catch(() => []));
            }
            await settle();
          }
          hub.broadcast(addEnd(log));
          scheduler.advance(COALESCE_MS);
          // A reader that was cut for being slow comes back by its last id, as clients do.
          const rest = await reader.toEnd().catch(() => open(seen.at(-1) ?? 0).toEnd());
          note(rest.filter((message) => message.event !== "gap"));
          expect(seen).toEqual(upTo(log.head()));
          expect(lines.slice(0, -1)).toEqual(upTo(log.head() - 1).map((id) => `${String(id)} ${"x".repeat(200)}`));
        }),
        { numRuns: 40 },
      );
    }));
});
