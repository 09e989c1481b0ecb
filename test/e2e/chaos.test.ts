/** `npm run chaos` in small: one recipe of each method, two jobs, four kills. The command does hundreds. */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { preparePython } from "../../scripts/python-env";
import { recipes } from "../chaos/recipes";
import { runChaos } from "../chaos/run";

const KILLS = 4;
/** A fifth of the command's jobs: what a trainer imports takes longer than what it trains. */
const SCALE = 0.2;
const TEST_TIMEOUT_MS = 600_000;

let dir: string;

beforeAll(async () => {
  await preparePython();
  process.env["ANNEAL_WARM_TRAINER"] = "0"; // Two cores have better things to do, and no agent is idle for long.
  dir = mkdtempSync(path.join(os.tmpdir(), "anneal-chaos-test-"));
});

afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

it(
  "two jobs complete once each, to the bit, under four kills",
  async () => {
    const said: string[] = [];
    const summary = await runChaos({
      dir,
      seed: 11,
      seconds: TEST_TIMEOUT_MS / 1000,
      kills: KILLS,
      jobs: 2,
      hosts: 2,
      recipes: recipes(SCALE).filter(({ name }) => ["sft", "grpo-lora"].includes(name)),
      clocks: { heartbeatMs: 500, leaseMs: 4_000, resumeIntervalMs: 500 },
      say: (line) => said.push(line),
      progress: () => undefined,
    });
    expect(summary.violations, said.join("\n")).toEqual([]);
    expect(summary.kills).toBe(KILLS);
    expect(summary.completed).toBe(summary.jobs);
  },
  TEST_TIMEOUT_MS,
);
