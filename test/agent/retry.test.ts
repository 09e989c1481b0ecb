import { describe, expect, it } from "vitest";
import { ApiError, NetworkError } from "../../agent/src/api-error";
import { Aborted, createRetrier, TRANSFER, UNTIL_ANSWERED } from "../../agent/src/retry";
import { LeapingClock } from "./support";

function failing(errors: Error[]): () => Promise<string> {
  const rest = [...errors];
  return () => {
    const error = rest.shift();
    return error ? Promise.reject(error) : Promise.resolve("done");
  };
}

describe("the retrier", () => {
  it("tries again after 429, 5xx and network errors, waiting longer each time up to the cap", async () => {
    const clock = new LeapingClock();
    const errors = [429, 500, 503].map((status) => new ApiError(status, "x", "x"));
    const more = Array.from({ length: 4 }, () => new NetworkError("reset"));
    const result = await createRetrier(clock, () => 1).run(failing([...errors, ...more]), UNTIL_ANSWERED);
    expect(result).toBe("done");
    expect(clock.slept).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
  });

  it("jitters down to half", async () => {
    const clock = new LeapingClock();
    await createRetrier(clock, () => 0).run(failing([new NetworkError("x")]), UNTIL_ANSWERED);
    expect(clock.slept).toEqual([125]);
  });

  it("waits as long as Retry-After says, within reason", async () => {
    const clock = new LeapingClock();
    const busy = [7_000, 999_000_000].map((ms) => new ApiError(429, "x", "x", {}, ms));
    await createRetrier(clock, () => 1).run(failing(busy), UNTIL_ANSWERED);
    expect(clock.slept).toEqual([7_000, 60_000]);
  });

  it.each([400, 401, 403, 404, 409, 413, 422])("takes %i for an answer", async (status) => {
    const clock = new LeapingClock();
    const run = createRetrier(clock, () => 1).run(failing([new ApiError(status, "x", "x")]), UNTIL_ANSWERED);
    await expect(run).rejects.toMatchObject({ status });
    expect(clock.slept).toEqual([]);
  });

  it("gives up when the policy's time is spent, and at once when aborted", async () => {
    const clock = new LeapingClock();
    const begunAtMs = clock.nowMs;
    const dead = (): Promise<never> => Promise.reject(new NetworkError("dead"));
    await expect(createRetrier(clock, () => 1).run(dead, TRANSFER)).rejects.toThrow("dead");
    expect(clock.nowMs - begunAtMs).toBeGreaterThanOrEqual(900_000);
    expect(clock.nowMs - begunAtMs).toBeLessThan(960_000);
    const aborted = AbortSignal.abort();
    await expect(createRetrier(clock, () => 1).run(dead, UNTIL_ANSWERED, aborted)).rejects.toThrow(Aborted);
  });
});
