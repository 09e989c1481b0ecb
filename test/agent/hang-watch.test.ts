import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HangWatch, newestWriteMs } from "../../agent/src/hang-watch";
import { statOf } from "../../agent/src/process-table";
import type { ReadLine } from "../../agent/src/trainer-lines";
import { addTask, fasterClock, isAlive, LeapingClock, start, started, useBench } from "./support";

const LIMIT_MS = 60_000;
const HOUR_MS = 3_600_000;
const progress = (step: number): ReadLine => ({ line: { type: "progress", step, total_steps: 9, epoch: 0 } });

/** Its machine sleeps for an hour once. */
class SuspendedClock extends LeapingClock {
  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await super.sleep(ms, signal);
    if (this.slept.length === 10) this.nowMs += HOUR_MS;
  }
}

/** Hands the watch a trainer's lines at their times; what it says, and when. */
async function watch(
  lines: readonly { atMs: number; read: ReadLine; busyMs?: number }[],
  changes: { clock?: LeapingClock; lastWriteMs?: (nowMs: number) => number | null } = {},
): Promise<{ afterMs: number; said: string }> {
  const clock = changes.clock ?? new LeapingClock();
  const beganMs = clock.now();
  const lastWriteMs = async (): Promise<number | null> => changes.lastWriteMs?.(clock.now() - beganMs) ?? null;
  const hangs = new HangWatch({ clock, limitMs: LIMIT_MS, lastWriteMs });
  const over = new AbortController();
  async function* trainer(): AsyncGenerator<ReadLine> {
    for (const { atMs, read } of lines) {
      while (clock.now() - beganMs < atMs) await new Promise((resolve) => setImmediate(resolve));
      yield read;
    }
    await new Promise((resolve) => over.signal.addEventListener("abort", resolve));
  }
  const follow = async (): Promise<void> => {
    let index = 0;
    for await (const _ of hangs.over(trainer())) {
      const until = clock.now() + (lines[index]?.busyMs ?? 0);
      while (clock.now() < until) await new Promise((resolve) => setImmediate(resolve));
      index += 1;
    }
  };
  const followed = follow();
  const said = (await hangs.run(over.signal)) ?? "";
  const afterMs = clock.now() - beganMs;
  over.abort();
  await followed;
  return { afterMs, said };
}

/** Within a few looks of the watch. */
const about = (ms: number): unknown => expect.closeTo(ms / 10_000, 0);
const seen = ({ afterMs }: { afterMs: number }): number => afterMs / 10_000;

describe("the watch over hangs", () => {
  it("says that no step came for as long as is allowed", async () => {
    const end = await watch([
      { atMs: 1_000, read: progress(1) },
      { atMs: 50_000, read: progress(2) },
      { atMs: 70_000, read: { line: { type: "notice", message: "still here" } } },
    ]);
    expect(seen(end)).toEqual(about(110_000));
    expect(end.said).toMatch(/^the trainer got nowhere for 60 s after step 2/);
  });

  it("allows an hour before the first step and after the last one", async () => {
    const before = await watch([]);
    expect(seen(before)).toEqual(about(HOUR_MS));
    expect(before.said).toMatch(/before the first step/);
    expect(seen(await watch([{ atMs: 1_000, read: progress(9) }]))).toEqual(about(HOUR_MS + 1_000));
  });

  it("takes a test for a step, and allows an hour after the last one", async () => {
    const testing = (done: number): ReadLine => ({ line: { type: "testing", done, total: 2 } });
    const end = await watch([
      { atMs: 1_000, read: progress(9) },
      { atMs: 50_000, read: testing(0) },
      { atMs: 100_000, read: testing(1) },
    ]);
    expect(seen(end)).toEqual(about(160_000));
    expect(end.said).toMatch(/after 1 of 2 tests/);
    expect(seen(await watch([{ atMs: 1_000, read: testing(2) }]))).toEqual(about(HOUR_MS + 1_000));
  });

  it("does not count the time in which this agent does not listen, or its machine sleeps", async () => {
    const busy = await watch([{ atMs: 1_000, read: progress(1), busyMs: 500_000 }]);
    expect(seen(busy)).toEqual(about(561_000));
    const asleep = await watch([{ atMs: 1_000, read: progress(1) }], { clock: new SuspendedClock() });
    expect(seen(asleep)).toEqual(about(HOUR_MS + 61_000));
  });

  it("takes files that are written for a sign of life", async () => {
    const lines = [{ atMs: 1_000, read: progress(1) }];
    // A checkpoint is written for five minutes.
    const end = await watch(lines, { lastWriteMs: (nowMs) => 1_000_000 + Math.min(nowMs, 300_000) });
    expect(seen(end)).toEqual(about(360_000));
  });
});

describe("a trainer that hangs", () => {
  const bench = useBench();

  it("is told by its newest file, whatever else comes and goes beside it", async () => {
    const folder = join(bench().dir, "output");
    expect(await newestWriteMs(folder)).toBeNull();
    mkdirSync(join(folder, "checkpoint-1"), { recursive: true });
    for (const [name, seconds] of Object.entries({ old: 1_000, "checkpoint-1/new": 2_000 })) {
      writeFileSync(join(folder, name), "");
      utimesSync(join(folder, name), seconds, seconds);
    }
    expect(await newestWriteMs(folder)).toBe(2_000_000);
    // As one that is removed between the look at its folder and the look at it.
    symlinkSync("/nowhere", join(folder, "checkpoint-1/gone"));
    expect(await newestWriteMs(folder)).toBe(2_000_000);
  });

  it("leaves its stacks in the log, is killed, and the attempt is lost with that reason", async () => {
    const { api } = bench();
    const lease = addTask(api);
    lease.spec.hang_timeout_seconds = 10;
    lease.limits.resume_interval_ms = 1;
    const script = [
      started,
      { op: "tell_pid" },
      { op: "line", line: { type: "progress", step: 3, total_steps: 5, epoch: 0 } },
      { op: "on_term", action: "ignore" },
      { op: "wait" },
    ];
    expect(await start(bench(), script, { clock: fasterClock(20) }).done).toBe(1);
    expect(api.only.finish).toMatchObject({
      outcome: "failed",
      reason: "hang",
      message: expect.stringMatching(/^the trainer got nowhere for 1\d s after step 3/),
      log_tail: expect.arrayContaining(["the stacks of all threads"]),
    });
    const [pid = ""] = api.only.logs.map(({ line }) => line);
    expect(isAlive(Number(pid.split(" ")[1]), statOf)).toBe(false);
  });
});
