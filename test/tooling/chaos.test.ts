/** The chaos command's own judgement: its checks see what is wrong, and its pacing never costs a job three attempts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SseItem } from "../../scripts/sse";
import type { JobEvent, Point } from "../chaos/api";
import { checkEvents, checkPoints, checkStream } from "../chaos/checks";
import { Pacing } from "../chaos/pacing";
import { Random } from "../chaos/random";
import { checkStored, type Stored } from "../chaos/storage";

const event = (id: number, type: string, attempt: number): JobEvent => ({
  id,
  event_type: type,
  attempt,
  metadata: {},
});
const EVENTS = [
  event(1, "created", 0),
  event(2, "provisioning", 1),
  event(3, "provisioning", 2),
  event(5, "completed", 2),
];

const point = (step: number, loss: number): Point => ({ step, attempt: 1, values: { loss, step_time: Math.random() } });
const POINTS = [point(1, 0.5), point(2, 0.25), point(3, 0.125)];

const item = (id: number, kind: string): SseItem => ({ id: String(id), event: kind, data: "{}" });
const STREAM = [
  item(1, "event"),
  item(2, "event"),
  item(3, "event"),
  item(4, "metric"),
  item(5, "event"),
  item(6, "end"),
];

const STORED: Stored = {
  jobs: [{ id: "a", status: "completed", version: 1 }],
  tasks: [{ id: "a", state: "ended", epoch: 2, attempt: 2 }],
  events: [
    { job_id: "a", version: 0, type: "created" },
    { job_id: "a", version: 1, type: "completed" },
  ],
  checkpoints: [{ job_id: "a", kind: "final", state: "committed", manifest_key: "ckpt/a/manifests/m.json" }],
  keys: ["ckpt/a/manifests/m.json", "datasets/acct/ds"],
  objects: [{ jobId: "a", leases: [{ epoch: 2, state: "ended" }], intents: 0 }],
};

describe("the checks", () => {
  it("find nothing wrong with a job that is whole", () => {
    expect(checkEvents(EVENTS, 2)).toEqual([]);
    expect(checkPoints(POINTS, [point(1, 0.5), point(2, 0.25), point(3, 0.125)])).toEqual([]);
    expect(checkStream(STREAM, EVENTS)).toEqual([]);
    expect(checkStored(STORED, ["job_a"])).toEqual([]);
  });

  it("see a second completion, a skipped attempt and an attempt that speaks after its end", () => {
    expect(checkEvents([...EVENTS, event(6, "completed", 2)], 2)).toEqual(["terminal events: completed completed"]);
    expect(checkEvents(EVENTS.slice(0, -1), 2)).toHaveLength(2);
    expect(checkEvents(EVENTS, 3)).toEqual(["attempts are claimed as 1 2"]);
    expect(checkEvents([event(1, "provisioning", 1), event(2, "running", 2), event(3, "completed", 1)], 1)).toEqual([
      "events of an older attempt after a newer one's",
    ]);
  });

  it("see a missing step, a doubled one and one bit of a value", () => {
    expect(checkPoints(POINTS.slice(1), POINTS)).toEqual(["the metrics' steps are 2 and not 3: without 1, twice none"]);
    expect(checkPoints([point(1, 0.5), ...POINTS], POINTS)[0]).toContain("without none, twice 1");
    expect(checkPoints([...POINTS.slice(0, 2), point(3, 0.125 + 2 ** -55)], POINTS)[0]).toContain("step 3 has");
  });

  it("see a doubled id, a lost one, a stream without an end and another event", () => {
    expect(checkStream([item(1, "event"), ...STREAM], EVENTS)[0]).toContain("do not count");
    expect(checkStream(STREAM.toSpliced(3, 1), EVENTS)[0]).toContain("do not count from 1: 2 3 5 6");
    expect(checkStream(STREAM.slice(0, -1), EVENTS)).toEqual(["0 end items, or not last"]);
    expect(checkStream(STREAM, EVENTS.slice(1))).toEqual(["stream and list have other events"]);
  });

  it("see in D1 and R2 what no API shows", () => {
    const wrong = (changed: Partial<Stored>): string[] => checkStored({ ...STORED, ...changed }, ["job_a"]);
    expect(wrong({ jobs: [{ id: "a", status: "running", version: 1 }] })).toEqual(["D1 has job a as running"]);
    expect(wrong({ jobs: [{ id: "a", status: "completed", version: 2 }] })[0]).toContain(
      "version 2 with events of 0 1",
    );
    expect(wrong({ tasks: [{ id: "a", state: "leased", epoch: 2, attempt: 2 }] })).toEqual(["the task of a is leased"]);
    expect(wrong({ keys: [...STORED.keys, "ckpt/b/1/2/n/0"] })).toHaveLength(1);
    expect(wrong({ keys: [] })).toHaveLength(1);
    const object = { jobId: "a", leases: [{ epoch: 2, state: "live" }], intents: 0 };
    expect(wrong({ objects: [object] })).toEqual(["the object of a is left with lease live, 0 intents"]);
    expect(checkStored(STORED, ["job_a", "job_b"])).toEqual(["D1 has 1 jobs of 2"]);
  });
});

describe("the pacing", () => {
  /** A job that loses an attempt by each strike, and whose commits come when they like. */
  it("strikes at most twice between two commits of the job, so that by its own rule it never fails", () => {
    const ticks = fc.array(fc.record({ afterMs: fc.integer({ min: 1, max: 4_000 }), commits: fc.boolean() }), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(fc.integer(), ticks, (seed, steps) => {
        const pacing = new Pacing(new Random(seed));
        let [nowMs, attempt, lostInARow] = [1_000, 1, 0];
        let newestCheckpoint: { attempt: number; atMs: number } | null = null;
        for (const { afterMs, commits } of steps) {
          nowMs += afterMs;
          if (commits) [newestCheckpoint, lostInARow] = [{ attempt, atMs: nowMs }, 0];
          pacing.see("job", { attempt, lostInARow, newestCheckpoint }, nowMs);
          if (!pacing.mayStrike("job", nowMs)) continue;
          expect(pacing.canBear("job")).toBe(true);
          pacing.struck("job", attempt, true, nowMs);
          [attempt, lostInARow] = [attempt + 1, lostInARow + 1];
          expect(lostInARow).toBeLessThan(3);
        }
      }),
    );
  });

  it("takes a late commit of the struck attempt for nothing", () => {
    const pacing = new Pacing(new Random(1));
    pacing.struck("job", 1, true, 1_000);
    pacing.struck("job", 2, true, 2_000);
    pacing.see("job", { attempt: 3, lostInARow: 0, newestCheckpoint: { attempt: 2, atMs: 2_100 } }, 2_200);
    expect(pacing.canBear("job")).toBe(false);
    pacing.see("job", { attempt: 3, lostInARow: 0, newestCheckpoint: { attempt: 3, atMs: 9_000 } }, 9_100);
    expect(pacing.canBear("job")).toBe(true);
  });
});
