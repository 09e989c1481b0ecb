import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OBJECT_TABLES, STREAM_TABLES } from "../../worker/streams/archive-format";
import { BACK_FOR_MS, ARCHIVE_AFTER_MS } from "../../worker/streams/keeper";
import { Lanes } from "../../worker/streams/lanes";
import { LeaseRow } from "../../worker/streams/lease-row";
import { MetricStore, type MetricRow } from "../../worker/streams/metric-store";
import { migrate } from "../../worker/streams/schema";
import { addEnd, addLines, inObject, keysOf, streamParts } from "./helpers";

type Parts = ReturnType<typeof streamParts>;
const timestamp = "2026-01-01T00:00:00.000Z";
const answer = { directive: "continue" as const, expires_at_ms: 5, flush_ms: 100 };

/** Every row of the object, by table, but for what belongs to its being there. */
function rowsOf(storage: DurableObjectStorage): Record<string, unknown[]> {
  const read = ({ name, key, except = "0" }: (typeof STREAM_TABLES)[number]) =>
    storage.sql.exec(`SELECT * FROM ${name} WHERE NOT (${except}) ORDER BY ${key.join(", ")}`).toArray();
  return Object.fromEntries([...STREAM_TABLES, ...OBJECT_TABLES].map((table) => [table.name, read(table)]));
}

/** What the outside can see of the stream. */
async function seen(storage: DurableObjectStorage, { log, open }: Parts) {
  const metrics = new MetricStore(storage);
  const kinds = ["train", "eval", "test", "system"] as const;
  return {
    items: await open().toEnd(),
    resumed: await open(Math.floor(log.head() / 2)).toEnd(),
    events: log.listEvents({ limit: 1000 }),
    metrics: kinds.map((kind) => [
      metrics.query({ kind, maxPoints: 7 }),
      metrics.query({ kind, keys: ["rare", "loss 'x'"], fromStep: 3, maxPoints: 1000 }),
      metrics.attempts(kind),
    ]),
  };
}

const lineText = fc.string({ unit: "grapheme", maxLength: 60 });
const metricRow = fc.record({
  kind: fc.constantFrom("train" as const, "eval" as const),
  step: fc.integer({ min: 0, max: 60 }),
  values: fc.dictionary(
    fc.constantFrom("loss 'x'", "lr", "rare", 'a "b"'),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  ),
});
const act = fc.oneof(
  fc.record({ type: fc.constant("lines" as const), lines: fc.array(lineText, { minLength: 1, maxLength: 20 }) }),
  fc.record({ type: fc.constant("metrics" as const), rows: fc.array(metricRow, { minLength: 1, maxLength: 30 }) }),
  fc.record({ type: fc.constant("event" as const), text: lineText }),
  fc.record({ type: fc.constant("attempt" as const), from: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ type: fc.constant("report" as const), lane: fc.constantFrom("data" as const, "logs" as const) }),
  fc.record({ type: fc.constant("seal" as const) }),
);
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never;

async function play(storage: DurableObjectStorage, { log, meta, sealer, keeper }: Parts, acts: Act[]): Promise<void> {
  const [metrics, lanes, leases] = [new MetricStore(storage), new Lanes(storage), new LeaseRow(storage)];
  const seqs = { data: 0, logs: 0 };
  let attempt = 1;
  for (const step of acts) {
    if (step.type === "lines") addLines(log, step.lines);
    else if (step.type === "metrics") {
      const rows: MetricRow[] = step.rows.map((row) => ({ ...row, attempt, tsMs: 5 }));
      metrics.add(rows);
      log.append({ kind: "metric", attempt, tsMs: 5, items: rows.map((row) => ({ ...row, timestamp })) });
    } else if (step.type === "event") {
      const event = { timestamp, event_type: "sample_masked" as const, metadata: { text: step.text } };
      log.append({ kind: "event", attempt, tsMs: 5, items: [event] });
    } else if (step.type === "attempt") {
      metrics.beginAttempt(++attempt, step.from);
      leases.save({ epoch: attempt, agentId: "agent", attempt, expiresAtMs: 7, state: "ended" });
    } else if (step.type === "report") lanes.store(attempt, step.lane, ++seqs[step.lane], answer);
    else await sealer.sealOldest();
    if (step.type === "attempt") [seqs.data, seqs.logs] = [0, 0];
  }
  meta.set("job_version", "12");
  meta.set("progress", JSON.stringify({ step: 3 }));
  addEnd(log);
  keeper.ended();
}

function empty(storage: DurableObjectStorage): void {
  for (const { name } of [...STREAM_TABLES, ...OBJECT_TABLES]) {
    storage.sql.exec(`DELETE FROM ${name}${name === "meta" ? " WHERE key <> 'schema_version'" : ""}`);
  }
}

describe("the archive", () => {
  it("knows every table", () =>
    inObject((storage) => {
      const tables = storage.sql
        .exec<{ name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
        )
        .toArray()
        .map((table) => table.name);
      expect([...STREAM_TABLES, ...OBJECT_TABLES].map(({ name }) => name).sort()).toEqual(tables.sort());
    }));

  it("gives any stream back exactly, whatever fails on the way out and back", () =>
    inObject(async (storage) => {
      const property = fc.asyncProperty(
        fc.array(act, { minLength: 1, maxLength: 14 }),
        fc.nat(4),
        fc.nat(3),
        async (acts, failingPut, failingRead) => {
          empty(storage);
          const parts = streamParts(storage);
          const { archive, blobs, clock, keeper, meta, timers, jobId } = parts;
          await play(storage, parts, acts);
          const before = await seen(storage, parts);

          clock.nowMs += ARCHIVE_AFTER_MS;
          blobs.failPut(failingPut);
          await keeper.onAlarm().catch(() => undefined);
          blobs.failPut(Number.POSITIVE_INFINITY);
          clock.nowMs += 60_000;
          // What is sealed first stays so: the rows that leave are these.
          while (await parts.sealer.sealOldest());
          const rows = meta.get("archive") === null ? rowsOf(storage) : null;
          await keeper.onAlarm();
          const gone = rowsOf(storage);
          expect(Object.values(gone).flat()).toEqual([]);
          expect([timers.next(), await storage.getAlarm()]).toEqual([null, null]);
          const files = await keysOf(jobId);

          blobs.failRead(failingRead);
          const first = await archive.using(() => seen(storage, parts)).catch(() => null);
          blobs.failRead(Number.POSITIVE_INFINITY);
          const after = first ?? (await archive.using(() => seen(storage, parts)));
          expect(after).toEqual(before);
          if (rows) expect(rowsOf(storage)).toEqual(rows);
          expect(timers.next()).toBe(clock.nowMs + BACK_FOR_MS);

          // It leaves again, in the same files.
          clock.nowMs += BACK_FOR_MS;
          await keeper.onAlarm();
          expect(meta.get("archive")).not.toBeNull();
          expect(await keysOf(jobId)).toEqual(files);
        },
      );
      await fc.assert(property, { numRuns: 12 });
    }));

  it("leaves nothing to come for two who ask at once, and stays while somebody is in it", () =>
    inObject(async (storage) => {
      const parts = streamParts(storage);
      const { archive, blobs, clock, hub, keeper, log, meta, open, timers } = parts;
      addLines(
        log,
        Array.from({ length: 100 }, (_, i) => `line ${String(i)}`),
      );
      addEnd(log);
      keeper.ended();
      clock.nowMs += ARCHIVE_AFTER_MS;
      // A call under way, then a reader that has not read: both keep the rows in their place for a minute.
      await archive.using(() => keeper.onAlarm());
      expect([meta.get("archive"), timers.next()]).toEqual([null, clock.nowMs + 60_000]);
      const slow = open();
      expect(hub.hasListeners).toBe(true);
      clock.nowMs += 60_000;
      await keeper.onAlarm();
      expect(meta.get("archive")).toBeNull();
      expect(await slow.toEnd()).toHaveLength(101);
      while (hub.hasListeners) await scheduler.wait(0);
      clock.nowMs += 60_000;
      await keeper.onAlarm();
      expect(meta.get("archive")).not.toBeNull();
      const read = () => archive.using(() => Promise.resolve(log.head()));
      blobs.failRead(1);
      const both = await Promise.allSettled([read(), read()]);
      expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      expect(await Promise.all([read(), read()])).toEqual([101, 101]);
    }));

  it("comes back in the schema in which it left, and migrates then", () =>
    inObject(async (storage) => {
      const { archive, log, meta } = streamParts(storage);
      addLines(log, ["a", "b"]);
      addEnd(log);
      expect(await archive.leave()).toBe(true);
      meta.set("schema_version", "99");
      // While it is away nothing looks at its tables: newer rows are no error yet.
      migrate(storage);
      await expect(archive.using(() => Promise.resolve(1))).rejects.toThrow(/schema version 99/);
    }));
});
