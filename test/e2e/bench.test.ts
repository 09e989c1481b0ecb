/** The benchmarks' runner: what it prints, how it is chosen from, and that one benchmark runs. Not how fast anything is. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { run } from "../../scripts/processes";

const bench = (...args: string[]) => run(process.execPath, ["--import", "tsx", "bench/main.ts", ...args]);

const result = z.strictObject({
  name: z.string(),
  value: z.number().nullable(),
  unit: z.string(),
  target: z.string().nullable(),
  holds: z.boolean().nullable(),
  detail: z.string(),
});
const summary = z.strictObject({
  ok: z.boolean(),
  quick: z.literal(true),
  results: z.array(result),
  machine: z.looseObject({ cpu: z.string(), cores: z.number(), load_before: z.number(), load_after: z.number() }),
  seconds: z.number(),
});

describe("npm run bench", () => {
  it("measures what was named and ends with one line of JSON", async () => {
    const outcome = await bench("ingest", "--quick", "--json");
    const lines = outcome.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    const { ok, results } = summary.parse(JSON.parse(lines[0] ?? ""));
    expect(results.map(({ name, unit, target }) => [name, unit, target])).toEqual([
      ["ingest/points", "points/s", "≥ 20000"],
    ]);
    expect(results[0]?.value).toBeGreaterThan(0);
    expect(outcome.code).toBe(ok ? 0 : 1);
  });

  it("says what there is when it is asked for something else", async () => {
    const outcome = await bench("there-is-none");
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain("no benchmark there-is-none; there are ");
  });
});
