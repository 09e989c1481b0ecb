/** The published Python client, unmodified, runs its quick start against us. Skipped where the package cannot be had. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { sample } from "../../scripts/demo/model";
import { root } from "../../scripts/env";
import { run } from "../../scripts/processes";
import { pip, preparePython, venv } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const requirements = path.join(root, "test", "e2e", "veri-sdk-requirements.txt");
/** A folder of its own: the client's packages stay away from the trainer's. */
const sdkPython = await venv("veri-sdk", [requirements], (python, report) =>
  pip(python, ["-r", requirements], report),
).catch((error: unknown) => {
  console.warn(`skipped: veri-sdk cannot be installed: ${String(error)}`);
  return null;
});

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
let workDir: string;

const summary = z.object({ status: z.string(), job_id: z.string(), dir: z.string(), files: z.array(z.string()) });

describe.skipIf(sdkPython === null)("veri-sdk's quick start", () => {
  beforeAll(async () => {
    await preparePython();
    workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-veri-sdk-"));
    plane = await startPlane({ heartbeatMs: 1_000, leaseMs: 10_000, resumeIntervalMs: 60_000 });
    account = await plane.account("veri-sdk");
    agent = startAgent({ url: plane.url, token: account.agentToken, name: "sdk" });
  });

  afterAll(async () => {
    await agent.dispose();
    await plane.close();
    rmSync(workDir, { recursive: true, force: true });
  });

  it("uploads a dataset and a reward, creates a job, waits, downloads; the model loads", async () => {
    const rows = Array.from({ length: 20 }, (_, n) =>
      JSON.stringify({ prompt: `${String(n)}+1=`, answer: String(n + 1) }),
    );
    writeFileSync(path.join(workDir, "training_data.jsonl"), `${rows.join("\n")}\n`);
    writeFileSync(path.join(workDir, "reward.py"), readFileSync(path.join(root, "examples", "addition", "reward.py")));
    const script = path.join(root, "test", "e2e", "veri-sdk-quickstart.py");
    const outcome = await run(sdkPython ?? "", [script, plane.url, account.api_key], { cwd: workDir });
    expect(outcome.code, `${outcome.stdout}\n${outcome.stderr}`).toBe(0);
    const found = summary.parse(JSON.parse(outcome.stdout.trim().split("\n").at(-1) ?? ""));
    expect(found.status).toBe("completed");
    expect(found.files).toContain("config.json");
    const { completions } = await sample(await preparePython(), path.resolve(workDir, found.dir));
    expect(completions.length).toBeGreaterThan(0);
  });
});
