import { describe, expect, it } from "vitest";
import type { AgentApi } from "../../agent/src/api-client";
import { ApiError, NetworkError } from "../../agent/src/api-error";
import { Heartbeat } from "../../agent/src/heartbeat";
import { TaskControl } from "../../agent/src/task-control";
import type { Directive, ReportResponse } from "../../protocol";
import { LeapingClock, TestLog } from "./support";

const lease = { lease_id: "task.1", heartbeat_ms: 10_000 };
const answer = (directive: Directive): ReportResponse => ({ directive, expires_at_ms: 0, flush_ms: 100 });

/** Beats, one for each entry, until the last has been given; then the heartbeat is stopped. */
async function beats(outcomes: (Directive | Error)[], clock = new LeapingClock()) {
  const control = new TaskControl(clock, 60_000, () => undefined);
  const begunAtMs = clock.nowMs;
  const times: number[] = [];
  const next = (): Promise<ReportResponse> => {
    times.push(clock.nowMs - begunAtMs);
    const outcome = outcomes.length > 1 ? outcomes.shift() : outcomes[0];
    return outcome instanceof Error ? Promise.reject(outcome) : Promise.resolve(answer(outcome ?? "continue"));
  };
  const api = { heartbeat: next } as Pick<AgentApi, "heartbeat"> as AgentApi;
  const heartbeat = new Heartbeat(lease, { api, clock, log: new TestLog(), control, step: () => 1 });
  const done = new Promise<void>((resolve) => control.onWish(() => resolve()));
  heartbeat.start();
  await done;
  await heartbeat.stop();
  return { wish: control.wish, times };
}

describe("the heartbeat", () => {
  it("beats at the lease's interval and passes the directive on", async () => {
    const { wish, times } = await beats(["continue", "continue", "cancel"]);
    expect(wish).toBe("cancel");
    expect(times.slice(0, 3)).toEqual([10_000, 20_000, 30_000]);
  });

  it("keeps the job through a failing worker, and ends it ten minutes after the lease's end", async () => {
    const { wish, times } = await beats([new NetworkError("down")]);
    expect(wish).toBe("lost");
    expect(times.at(-1)).toBe(60_000 + 600_000);
  });

  it("counts from the last answer", async () => {
    const { times } = await beats([new NetworkError("down"), "continue", new ApiError(500, "x", "x")]);
    expect(times.at(-1)).toBe(20_000 + 660_000);
  });

  it.each([
    ["a stale lease", new ApiError(409, "stale_lease", "x")],
    ["a token that is refused", new ApiError(401, "unauthorized", "x")],
  ])("takes %s for lost at once", async (_name, error) => {
    const { wish, times } = await beats([error]);
    expect([wish, times]).toEqual(["lost", [10_000]]);
  });
});

describe("TaskControl", () => {
  it("lets wishes only get stronger, and tells each", () => {
    const control = new TaskControl(new LeapingClock(), 1, () => undefined);
    const told: string[] = [];
    control.onWish((wish) => told.push(wish));
    for (const wish of ["drain", "pause", "continue", "cancel", "drain", "lost", "cancel"] as const)
      control.raise(wish);
    expect(told).toEqual(["drain", "cancel", "lost"]);
    expect([control.stopping.aborted, control.ending.aborted, control.lost.aborted]).toEqual([true, true, true]);
  });
});
