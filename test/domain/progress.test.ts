import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DataItem } from "../../protocol";
import { NO_WORK, percentDone, workAfter, workSaved, type WorkDone } from "../../worker/domain/progress";

const started = (resumedFrom: number, total = 40): DataItem => ({
  type: "started",
  ts_ms: 0,
  total_steps: total,
  resumed_from_step: resumedFrom,
  world_size: 1,
  device: "cpu",
  versions: {},
});
const progress = (step: number, total = 40): DataItem => ({
  type: "progress",
  ts_ms: 0,
  step,
  total_steps: total,
  epoch: 0,
});
const testing = (done: number, total: number): DataItem => ({ type: "testing", ts_ms: 0, done, total });

const percent = (work: WorkDone, attempt: number, hasTests: boolean, status: "running" | "completed" = "running") =>
  percentDone({ status, attempt, hasTests }, work);

describe("a job's progress", () => {
  it("is the share of its steps, under 100 until it has completed", () => {
    expect(percent(NO_WORK, 0, false)).toBe(0);
    const half = workAfter(NO_WORK, 1, [started(0), progress(20)]);
    expect(percent(half, 1, false)).toBe(50);
    const all = workAfter(half, 1, [progress(40)]);
    expect(percent(all, 1, false)).toBe(99);
    expect(percent(all, 1, false, "completed")).toBe(100);
  });

  it("gives the tests of a job that has some the last tenth, whichever step ended the training", () => {
    const early = workAfter(NO_WORK, 1, [started(0), progress(20)]);
    expect(percent(early, 1, true)).toBe(45);
    const begun = workAfter(early, 1, [testing(0, 5)]);
    expect(percent(begun, 1, true)).toBe(90);
    expect(percent(workAfter(begun, 1, [testing(3, 5)]), 1, true)).toBe(96);
    expect(percent(workAfter(begun, 1, [testing(5, 5)]), 1, true)).toBe(99);
  });

  it("begins an attempt with what was saved, and goes on with the tests that were", () => {
    const trained = workAfter(NO_WORK, 1, [started(0), progress(30)]);
    const resumed = workSaved(workSaved(trained, "epoch", 25), "resume", 20);
    expect(percent(resumed, 1, true)).toBe(67);
    expect(percent(resumed, 2, true)).toBe(45);
    const over = workAfter(resumed, 2, [started(20), progress(40), testing(0, 4), testing(1, 4)]);
    const lost = workSaved(workSaved(over, "final", 15), "test", 10);
    expect(percent(lost, 2, true)).toBe(92);
    expect(percent(lost, 3, true)).toBe(90);
    expect(percent(workAfter(lost, 3, [started(15), testing(0, 3)]), 3, true)).toBe(92);
    expect(percent(workAfter(lost, 3, [started(15), testing(3, 3)]), 3, true)).toBe(99);
  });

  it("never goes back within an attempt, whatever the order in which its trainer tells", () => {
    const told = fc.oneof(
      fc.integer({ min: 0, max: 40 }).map((step) => progress(step)),
      fc.integer({ min: 0, max: 5 }).map((done) => testing(done, 5)),
    );
    fc.assert(
      fc.property(fc.array(fc.array(told, { maxLength: 4 }), { maxLength: 8 }), fc.boolean(), (reports, hasTests) => {
        let work = workAfter(NO_WORK, 1, [started(0)]);
        let before = 0;
        for (const items of reports) {
          work = workAfter(work, 1, items);
          const now = percent(work, 1, hasTests);
          expect(now).toBeGreaterThanOrEqual(before);
          expect(now).toBeLessThan(100);
          before = now;
        }
      }),
    );
  });

  it("is not touched by what says nothing of it", () => {
    const work = workAfter(NO_WORK, 1, [started(0)]);
    expect(workAfter(work, 1, [{ type: "notice", ts_ms: 0, message: "m" }])).toBe(work);
    expect(workSaved(work, "epoch", 3)).toBe(work);
  });
});
