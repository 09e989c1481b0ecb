import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { EventLog } from "../../worker/streams/event-log";
import { IntentRow } from "../../worker/streams/intent-row";
import { Lanes } from "../../worker/streams/lanes";
import { LeaseRow } from "../../worker/streams/lease-row";
import { Meta } from "../../worker/streams/meta";
import { MetricStore } from "../../worker/streams/metric-store";
import { migrate } from "../../worker/streams/schema";
import { Timers } from "../../worker/streams/timers";
import { OBJECT_V1 } from "./fixture/object-v1";
import { addLines, freshStub, inObject } from "./helpers";

function tablesOf(storage: DurableObjectStorage): string[] {
  return storage.sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
    .toArray()
    .map((table) => table.name)
    .sort();
}

describe("migrate", () => {
  it("makes every table once and may be called again", () =>
    inObject((storage) => {
      migrate(storage);
      expect(tablesOf(storage)).toEqual([
        "frames",
        "intent",
        "keys",
        "lane",
        "lease",
        "meta",
        "points",
        "segments",
        "shapes",
        "superseded",
        "timers",
      ]);
      expect(new Meta(storage).get("schema_version")).toBe("2");
    }));

  it("brings an object of version 1 to the present one, with all that is in it", () =>
    inObject((storage) => {
      for (const table of tablesOf(storage)) if (table !== "meta") storage.sql.exec(`DROP TABLE ${table}`);
      storage.sql.exec(OBJECT_V1);
      new Meta(storage).set("schema_version", "1");
      migrate(storage);
      expect(new Meta(storage).get("schema_version")).toBe("2");
      const log = new EventLog(storage);
      expect([log.head(), log.floor(), log.endedAt()]).toEqual([4, 1, null]);
      expect(log.read({ after: 0, maxItems: 9, maxBytes: 1e6 }).map(({ kind }) => kind)).toEqual([
        "event",
        "log",
        "log",
        "notice",
      ]);
      // The sums are of bytes: what is appended goes on from them.
      const sizes = storage.sql.exec<{ body: string; upto: number }>("SELECT body, upto FROM frames ORDER BY id");
      let upto = 0;
      for (const row of sizes) expect(row.upto).toBe((upto += new TextEncoder().encode(row.body).byteLength));
      const metrics = new MetricStore(storage);
      expect(metrics.query({ keys: ["reward"], maxPoints: 9 }).points).toEqual([
        { step: 3, attempt: 1, values: { reward: 7 } },
      ]);
      expect(metrics.query({ maxPoints: 9 }).points.map(({ step }) => step)).toEqual([1, 2, 3]);
      metrics.add([{ kind: "train", step: 4, attempt: 1, tsMs: 6, values: { loss: 1, lr: 0.1 } }]);
      expect(storage.sql.exec("SELECT 1 FROM shapes").toArray()).toHaveLength(3);
      expect(new Lanes(storage).check(1, "data", 3).type).toBe("repeat");
      expect(new LeaseRow(storage).current()?.state).toBe("live");
    }));

  it("refuses an object that newer code has written", () =>
    inObject((storage) => {
      new Meta(storage).set("schema_version", "99");
      expect(() => migrate(storage)).toThrow(/schema version 99/);
    }));
});

describe("Lanes", () => {
  const answer = { directive: "continue" as const, expires_at_ms: 5, flush_ms: 100 };

  it("counts each lane of an epoch from 1", () =>
    inObject((storage) => {
      const lanes = new Lanes(storage);
      expect(lanes.check(1, "data", 1)).toEqual({ type: "new" });
      expect(lanes.check(1, "data", 2)).toEqual({ type: "gap", expected: 1 });
      lanes.store(1, "data", 1, answer);
      lanes.store(1, "data", 2, { ...answer, directive: "cancel" });
      expect(lanes.check(1, "data", 1)).toEqual({ type: "repeat", answer: { ...answer, directive: "cancel" } });
      expect(lanes.check(1, "data", 2)).toEqual({ type: "repeat", answer: { ...answer, directive: "cancel" } });
      expect(lanes.check(1, "data", 3)).toEqual({ type: "new" });
      expect(lanes.check(1, "data", 5)).toEqual({ type: "gap", expected: 3 });
      expect(lanes.check(1, "logs", 1)).toEqual({ type: "new" });
      expect(lanes.check(2, "data", 1)).toEqual({ type: "new" });
      expect(lanes.check(2, "data", 3)).toEqual({ type: "gap", expected: 1 });
      expect(() => lanes.store(1, "data", 2, answer)).toThrow(/not the next one/);
      expect(() => lanes.store(1, "data", 4, answer)).toThrow(/not the next one/);
    }));
});

describe("LeaseRow", () => {
  it("has the highest epoch as the present lease, in its last state", () =>
    inObject((storage) => {
      const leases = new LeaseRow(storage);
      expect(leases.current()).toBeNull();
      const second = { epoch: 2, agentId: "b", attempt: 2, expiresAtMs: 20, state: "live" as const };
      leases.save(second);
      leases.save({ epoch: 1, agentId: "a", attempt: 1, expiresAtMs: 10, state: "draining" });
      expect(leases.current()).toEqual(second);
      leases.save({ ...second, expiresAtMs: 30, state: "expired" });
      expect(leases.current()).toEqual({ ...second, expiresAtMs: 30, state: "expired" });
    }));
});

describe("IntentRow", () => {
  it("holds one transition until it is settled", () =>
    inObject((storage) => {
      const intents = new IntentRow(storage);
      expect(intents.get()).toBeNull();
      intents.put({ tid: "t1", command: { type: "start", epoch: 3, resumedFromStep: 7 }, atMs: 5 });
      expect(() => intents.put({ tid: "t2", command: { type: "cancel" }, atMs: 6 })).toThrow(/t1 has not been settled/);
      expect(intents.get()).toEqual({ tid: "t1", command: { type: "start", epoch: 3, resumedFromStep: 7 }, atMs: 5 });
      intents.delete("t1");
      expect(intents.get()).toBeNull();
    }));
});

describe("Timers", () => {
  it("gives what is due and when the alarm has to ring", () =>
    inObject((storage) => {
      const timers = new Timers(storage);
      expect(timers.next()).toBeNull();
      timers.set("lease", 60);
      timers.set("intent", 10);
      timers.set("seen", 30);
      timers.set("lease", 20);
      expect(timers.next()).toBe(10);
      expect(timers.due(9)).toEqual([]);
      expect(timers.due(20)).toEqual([
        { name: "intent", atMs: 10 },
        { name: "lease", atMs: 20 },
      ]);
      timers.clear("intent");
      expect(timers.next()).toBe(20);
    }));
});

it("keeps everything when the object is evicted", async () => {
  const stub = freshStub();
  await runInDurableObject(stub, (_instance, { storage }) => {
    addLines(new EventLog(storage), ["a", "b"]);
    new MetricStore(storage).add([{ kind: "train", step: 1, attempt: 1, tsMs: 0, values: { loss: 1 } }]);
    new Lanes(storage).store(1, "logs", 1, { directive: "continue", expires_at_ms: 1, flush_ms: 1000 });
    new LeaseRow(storage).save({ epoch: 1, agentId: "a", attempt: 1, expiresAtMs: 10, state: "live" });
    new IntentRow(storage).put({ tid: "t", command: { type: "cancel" }, atMs: 1 });
    new Timers(storage).set("lease", 10);
    new Meta(storage).set("last_version", "3");
  });
  await evictDurableObject(stub);
  await runInDurableObject(stub, (_instance, { storage }) => {
    const log = new EventLog(storage);
    expect(log.read({ after: 0, maxItems: 9, maxBytes: 1e6 }).map((item) => item.id)).toEqual([1, 2]);
    expect(addLines(log, ["c"])[0]?.id).toBe(3);
    expect(new MetricStore(storage).query({ maxPoints: 9 }).latestStep).toBe(1);
    expect(new Lanes(storage).check(1, "logs", 3)).toEqual({ type: "gap", expected: 2 });
    expect(new LeaseRow(storage).current()?.agentId).toBe("a");
    expect(new IntentRow(storage).get()?.tid).toBe("t");
    expect(new Timers(storage).next()).toBe(10);
    expect(new Meta(storage).get("last_version")).toBe("3");
  });
});
