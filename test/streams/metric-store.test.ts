import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MetricStore, type MetricRow } from "../../worker/streams/metric-store";
import { inObject } from "./helpers";

function row(step: number, values: Record<string, number>, extra: Partial<MetricRow> = {}): MetricRow {
  return { kind: "train", step, attempt: 1, tsMs: 0, values, ...extra };
}

const numbers = (storage: DurableObjectStorage, kind = "train"): [number, number, number][] =>
  storage.sql
    .exec<{ n: number; step: number; attempt: number }>("SELECT * FROM points WHERE kind = ? ORDER BY n", kind)
    .toArray()
    .map(({ n, step, attempt }) => [n, step, attempt]);

const steps = (answer: { points: { step: number }[] }): number[] => answer.points.map((point) => point.step);

describe("MetricStore", () => {
  it("answers an empty job", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      expect(metrics.query({ maxPoints: 10 })).toEqual({ points: [], availableKeys: [], latestStep: null });
      expect(metrics.attempts()).toEqual([]);
    }));

  it("merges a second report of a step, in one batch or two, and keeps kinds apart", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add([row(1, { loss: 3, lr: 0.1 }), row(1, { reward: 1 }), row(2, { loss: 2 }), row(2, {})]);
      metrics.add([row(2, { loss: 1.5, 'odd "key" /\'': 7 }), row(2, { accuracy: 0.5 }, { kind: "eval" })]);
      expect(metrics.query({ maxPoints: 10 })).toEqual({
        points: [
          { step: 1, attempt: 1, values: { loss: 3, lr: 0.1, reward: 1 } },
          { step: 2, attempt: 1, values: { loss: 1.5, 'odd "key" /\'': 7 } },
        ],
        availableKeys: ["loss", "lr", "reward", 'odd "key" /\''],
        latestStep: 2,
      });
      expect(metrics.query({ kind: "eval", maxPoints: 10 }).points).toEqual([
        { step: 2, attempt: 1, values: { accuracy: 0.5 } },
      ]);
      expect(metrics.query({ keys: ['odd "key" /\'', "reward"], maxPoints: 10 }).points).toEqual([
        { step: 1, attempt: 1, values: { reward: 1 } },
        { step: 2, attempt: 1, values: { 'odd "key" /\'': 7 } },
      ]);
      expect(metrics.query({ keys: ["unknown"], maxPoints: 10 }).points).toEqual([]);
      const loss = storage.sql.exec("SELECT * FROM keys WHERE name = 'loss'").one();
      expect(loss).toEqual({ name: "loss", kind: "train", count: 2, first_step: 1, last_step: 2, last: 1.5 });
    }));

  it("gives every number back as it came", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      const numbers = [1e-5, 5e-324, 1.7976931348623157e308, -1e21, 0.1 + 0.2, 2 ** 53, 0];
      metrics.add([row(1, Object.fromEntries(numbers.map((value, i) => [`k${String(i)}`, value])))]);
      expect(Object.values(metrics.query({ maxPoints: 1 }).points[0]?.values ?? {})).toEqual(numbers);
    }));

  it("shows each so-manieth step and the last one, with their times when asked", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add(Array.from({ length: 47 }, (_, i) => row(i + 1, { loss: i + 1 }, { tsMs: 1000 + i })));
      const every = (everySteps: number, maxPoints = 99) =>
        steps(metrics.query({ keys: ["loss"], everySteps, maxPoints }));
      expect(every(10)).toEqual([10, 20, 30, 40, 47]);
      expect(every(47)).toEqual([47]);
      expect(every(100)).toEqual([47]);
      expect(every(10, 3)).toEqual([10, 30, 47]);
      expect(every(1)).toHaveLength(47);
      const timed = metrics.query({ everySteps: 40, withTimes: true, maxPoints: 9 }).points;
      expect(timed.map(({ step, tsMs }) => [step, tsMs])).toEqual([
        [40, 1039],
        [47, 1046],
      ]);
      expect(metrics.query({ maxPoints: 1 }).points[0]).not.toHaveProperty("tsMs");
    }));

  it("puts a late lower step in its place", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add([row(10, { loss: 1 }), row(20, { loss: 2 }), row(15, { loss: 1.5 }), row(5, { loss: 0.5 })]);
      metrics.add([row(30, { loss: 3 })]);
      expect(numbers(storage).map(([n, step]) => [n, step])).toEqual([
        [1, 5],
        [2, 10],
        [3, 15],
        [4, 20],
        [5, 30],
      ]);
      const loss = storage.sql.exec("SELECT count, first_step, last_step, last FROM keys").one();
      expect(loss).toEqual({ count: 5, first_step: 5, last_step: 30, last: 3 });
    }));

  it("supersedes what lies beyond the resumed step and stays dense", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add(Array.from({ length: 10 }, (_, i) => row(i + 1, { loss: i + 1, ...(i === 8 ? { rare: 1 } : {}) })));
      metrics.add([row(4, { accuracy: 1 }, { kind: "eval" }), row(8, { accuracy: 2 }, { kind: "eval" })]);
      metrics.beginAttempt(2, 6);
      expect(metrics.query({ maxPoints: 99 })).toMatchObject({ availableKeys: ["loss"], latestStep: 6 });
      expect(steps(metrics.query({ kind: "eval", maxPoints: 99 }))).toEqual([4]);
      expect(storage.sql.exec("SELECT count, last_step, last FROM keys WHERE name = 'loss'").one()).toEqual({
        count: 6,
        last_step: 6,
        last: 6,
      });
      metrics.add([row(7, { loss: 70 }, { attempt: 2 }), row(8, { loss: 80 }, { attempt: 2 })]);
      metrics.beginAttempt(2, 6);
      metrics.beginAttempt(3, 7);
      metrics.add([row(7, { reward: 1 }, { attempt: 3 }), row(9, { loss: 90 }, { attempt: 3 })]);
      expect(numbers(storage)).toEqual([
        [1, 1, 1],
        [2, 2, 1],
        [3, 3, 1],
        [4, 4, 1],
        [5, 5, 1],
        [6, 6, 1],
        [7, 7, 3],
        [8, 9, 3],
      ]);
      expect(metrics.query({ fromStep: 7, maxPoints: 9 }).points).toEqual([
        { step: 7, attempt: 3, values: { loss: 70, reward: 1 } },
        { step: 9, attempt: 3, values: { loss: 90 } },
      ]);
      expect(metrics.attempts()).toEqual([
        {
          attempt: 1,
          visible: { fromStep: 1, toStep: 6, rows: 6 },
          superseded: { fromStep: 7, toStep: 10, rows: 4 },
        },
        { attempt: 2, visible: null, superseded: { fromStep: 7, toStep: 8, rows: 2 } },
        { attempt: 3, visible: { fromStep: 7, toStep: 9, rows: 2 }, superseded: null },
      ]);
    }));

  it("samples any log at any range: at most max_points, ascending, the last always there", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add(Array.from({ length: 1000 }, (_, i) => row((i + 1) * 7, { loss: i })));
      fc.assert(
        fc.property(fc.nat(7500), fc.nat(7500), fc.integer({ min: 1, max: 1200 }), (from, to, maxPoints) => {
          const logged = Array.from({ length: 1000 }, (_, i) => (i + 1) * 7).filter((s) => s >= from && s <= to);
          for (const keys of [undefined, ["loss"]]) {
            const got = steps(metrics.query({ fromStep: from, toStep: to, maxPoints, keys }));
            expect(got.length).toBeLessThanOrEqual(maxPoints);
            expect(got.at(-1)).toBe(logged.at(-1));
            expect(got).toEqual([...new Set(got)].sort((a, b) => a - b));
            expect(got.every((step) => logged.includes(step))).toBe(true);
            if (maxPoints >= logged.length) expect(got).toEqual(logged);
            else expect(got.length).toBeGreaterThanOrEqual(Math.floor(maxPoints / 2));
          }
        }),
        { numRuns: 150 },
      );
    }));

  it("finds a key that only every seventh step has, whatever the stride", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      metrics.add(
        Array.from({ length: 1400 }, (_, i) => row(i + 1, { loss: i, ...((i + 1) % 7 === 0 ? { reward: i } : {}) })),
      );
      for (const maxPoints of [100, 50, 20, 7]) {
        const answer = metrics.query({ keys: ["reward"], maxPoints });
        expect(answer.points.length).toBeGreaterThanOrEqual(maxPoints - 1);
        expect(answer.points.length).toBeLessThanOrEqual(maxPoints);
        expect(steps(answer).every((step) => step % 7 === 0)).toBe(true);
        expect(steps(answer).at(-1)).toBe(1400);
        expect(new Set(steps(answer)).size).toBe(answer.points.length);
        expect(Object.keys(answer.points[0]?.values ?? {})).toEqual(["reward"]);
      }
    }));

  it("spreads the points over the rows that have the key, wherever they are", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      const has = (step: number): boolean => step >= 4_000 && step < 6_000 && step % 10 === 0;
      const rows = Array.from({ length: 20_000 }, (_, i) => row(i, { loss: i, ...(has(i) ? { rare: i } : {}) }));
      storage.transactionSync(() => metrics.add(rows));
      for (const keys of [["rare"], ["rare", "unknown"]]) {
        const found = steps(metrics.query({ keys, maxPoints: 100 }));
        expect(found.length).toBeGreaterThanOrEqual(99);
        expect([found[0], found.at(-1), found.every(has)]).toEqual([4_000, 5_990, true]);
      }
      expect(steps(metrics.query({ keys: ["rare"], fromStep: 5_985, maxPoints: 100 }))).toEqual([5_990]);
      expect(steps(metrics.query({ keys: ["rare"], fromStep: 6_000, maxPoints: 100 }))).toEqual([]);
      // A row that gets the key later is found like the others.
      metrics.add([row(19_999, { rare: 1 })]);
      expect(steps(metrics.query({ keys: ["rare"], fromStep: 6_000, maxPoints: 100 }))).toEqual([19_999]);
    }));

  it("finds the rows of a key among thousands of shapes as among few, without a seek for each", () =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      const has = (step: number) => step % 3 === 0;
      const rows = Array.from({ length: 6_000 }, (_, i) =>
        row(i, { [`seen_${String(i)}`]: 1, ...(has(i) ? { rare: i } : {}) }),
      );
      storage.transactionSync(() => metrics.add(rows));
      const startedMs = Date.now();
      const many = steps(metrics.query({ keys: ["rare"], maxPoints: 1000 }));
      expect([many.length, many[0], many.at(-1), many.every(has)]).toEqual([1000, 0, 5_997, true]);
      const few = steps(metrics.query({ keys: ["rare"], fromStep: 10, toStep: 2_000, maxPoints: 100 }));
      expect([few.length > 95, few[0], few.at(-1), few.every(has)]).toEqual([true, 12, 1_998, true]);
      // It was four seconds with a seek for each shape at each place.
      expect(Date.now() - startedMs).toBeLessThan(1_500);
    }));

  it.each([1, 7])("samples 50,000 rows logged every %i steps in seeks, not a scan", (every) =>
    inObject((storage) => {
      const metrics = new MetricStore(storage);
      const values = { loss: 1.25, reward: 0.5, kl: 0.01, learning_rate: 1e-5, grad_norm: 2 };
      storage.transactionSync(() => {
        for (let done = 0; done < 50_000; done += 1000) {
          metrics.add(Array.from({ length: 1000 }, (_, i) => row((done + i + 1) * every, values)));
        }
      });
      const startedMs = Date.now();
      const answer = metrics.query({ maxPoints: 500 });
      const narrowed = metrics.query({ maxPoints: 500, keys: ["kl"], fromStep: 1000 * every, toStep: 40_000 * every });
      // A bound for sanity on a loaded machine; the benchmark measures.
      expect(Date.now() - startedMs).toBeLessThan(200);
      expect(answer.points).toHaveLength(500);
      expect(answer.latestStep).toBe(50_000 * every);
      expect(narrowed.points.at(-1)).toEqual({ step: 40_000 * every, attempt: 1, values: { kl: 0.01 } });
      expect(narrowed.points[0]?.step).toBe(1000 * every);
    }),
  );
});
