/** `npm run demo -- --json` as the operations contract has it: one line, what was learned, nothing left behind. */
import path from "node:path";
import os from "node:os";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { run } from "../../scripts/processes";
import { commandsWith } from "../harness/processes";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const common = {
  id: z.string().startsWith("job_"),
  steps: z.int().min(1),
  seconds: z.number(),
  checkpoint_sha256: sha256,
};
const result = z.strictObject({
  ok: z.literal(true),
  jobs: z.tuple([
    z.strictObject({
      ...common,
      method: z.literal("sft_text"),
      first_loss: z.number(),
      last_loss: z.number(),
      first_reward: z.null(),
      last_reward: z.null(),
    }),
    z.strictObject({
      ...common,
      method: z.literal("grpo"),
      first_loss: z.number(),
      last_loss: z.number(),
      first_reward: z.number(),
      last_reward: z.number(),
    }),
  ]),
  seconds: z.number(),
});

describe("npm run demo", () => {
  it("trains, verifies and says so in one line, and stops everything it started", async () => {
    const outcome = await run("npm", ["run", "--silent", "demo", "--", "--json"]);
    expect(outcome.code, outcome.stderr).toBe(0);
    expect(outcome.stdout.trim().split("\n")).toHaveLength(1);
    const { jobs } = result.parse(JSON.parse(outcome.stdout));
    const [sft, grpo] = jobs;
    expect(sft.last_loss).toBeLessThanOrEqual(sft.first_loss / 2);
    expect(grpo.last_reward - grpo.first_reward).toBeGreaterThanOrEqual(0.2);
    expect(commandsWith(path.join(os.tmpdir(), "anneal-demo-"))).toEqual([]);
  });
});
