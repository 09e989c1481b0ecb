/** The main job: the real worker, a real agent, the real trainer, the public API. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { fetchModel, sample } from "../../scripts/demo/model";
import { root, sharedDir } from "../../scripts/env";
import { run } from "../../scripts/processes";
import { preparePython } from "../../scripts/python-env";
import { readSse, type SseItem } from "../../scripts/sse";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { createJob, jsonLines, readEvents, readJob, readStream, uploadDataset, uploadReward } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const SFT_STEPS = 60;
const gsm8k = path.join(sharedDir(), "data", "gsm8k-train.jsonl");

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
let python: string;
let workDir: string;

beforeAll(async () => {
  python = await preparePython();
  workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-e2e-"));
  plane = await startPlane({ heartbeatMs: 1_000, leaseMs: 10_000, resumeIntervalMs: 60_000 });
  account = await plane.account("main-job");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "main" });
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
  rmSync(workDir, { recursive: true, force: true });
});

function sums(count: number): string {
  const rows = Array.from({ length: count }, (_, n) => ({ a: n % 10, b: Math.floor(n / 10) % 10 }));
  return jsonLines(rows.map(({ a, b }) => ({ prompt: `${String(a)}+${String(b)}=`, completion: String(a + b) })));
}

/** Reads the live stream until `count` items have come, then hangs up in the middle. */
async function readSome(streamPath: string, count: number): Promise<SseItem[]> {
  const stopping = new AbortController();
  const response = await fetch(`${plane.url}${streamPath}`, {
    headers: { authorization: `Bearer ${account.api_key}`, "last-event-id": "0" },
    signal: stopping.signal,
  });
  expect(response.headers.get("content-type")).toContain("text/event-stream");
  const items: SseItem[] = [];
  if (response.body === null) throw new Error("a stream has a body");
  for await (const item of readSse(response.body)) {
    items.push(item);
    if (items.length === count) break;
  }
  stopping.abort();
  return items;
}

describe("sft_text through Veri", () => {
  let jobId: string;

  beforeAll(async () => {
    const datasetId = await uploadDataset(account.client, "sums", sums(200));
    jobId = await createJob(account.client, {
      method: "sft_text",
      dataset_id: datasetId,
      hyperparameters: { learning_rate: 0.003, max_steps: SFT_STEPS, batch_size: 8, max_seq_length: 32 },
    });
  });

  it("streams every item once, also when the reader hangs up in the middle and resumes", async () => {
    const streamPath = `/v1/training_jobs/${jobId}/logs`;
    const before = await readSome(streamPath, 12);
    const lastId = before.at(-1)?.id ?? "";
    const response = await account.client.send("GET", streamPath, { headers: { "last-event-id": lastId } });
    if (response.body === null) throw new Error("a stream has a body");
    const after: SseItem[] = [];
    for await (const item of readSse(response.body)) after.push(item);
    const whole = await readStream(account.client, streamPath);
    expect([...before, ...after]).toEqual(whole);
    const ids = whole.map((item) => Number(item.id));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);
    expect(whole.at(-1)).toMatchObject({ event: "end", data: JSON.stringify({ status: "completed" }) });
    const steps = whole
      .filter((item) => item.event === "metric" && item.data.includes('"loss"'))
      .map((item) => z.object({ step: z.number() }).parse(JSON.parse(item.data)).step);
    expect(steps).toEqual(Array.from({ length: SFT_STEPS }, (_, n) => n + 1));
    const ended = await account.client.send("GET", streamPath, { headers: { "last-event-id": String(ids.at(-1)) } });
    expect(ended.status).toBe(204);
  });

  it("has told its life in order, and that the agent stood in for the GPU", async () => {
    const types = (await readEvents(account.client, jobId)).map((event) => event.event_type);
    const main = types.filter((type) => type !== "gpu_substituted");
    expect(main).toEqual(["created", "submitted", "provisioning", "running", "checkpoint_committed", "completed"]);
    expect(types).toContain("gpu_substituted");
  });

  it("gives the model whose SHA-256 was committed, which loads and generates", async () => {
    const model = await fetchModel(account.client, jobId, workDir);
    expect(model.committedSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(model.sha256).toBe(model.committedSha256);
    const { completions } = await sample(python, model.dir);
    expect(completions.length).toBeGreaterThan(0);
  });

  it("cannot be cancelled any more", async () => {
    const answer = await account.client.send("POST", `/v1/training_jobs/${jobId}/cancel`);
    expect(answer.status).toBe(400);
    expect(z.object({ error: z.object({ message: z.string() }) }).parse(await answer.json()).error.message).toContain(
      "completed",
    );
  });
});

const gsm8kRow = z.object({ question: z.string(), answer: z.string() });

describe("grpo on GSM8K prompts", () => {
  it.skipIf(!existsSync(gsm8k))(
    `trains for three steps (needs ${path.basename(gsm8k)} in ANNEAL_SHARED_DIR)`,
    async () => {
      const lines = readFileSync(gsm8k, "utf8").split("\n").filter(Boolean).slice(0, 24);
      const rows = lines.map((line) => gsm8kRow.parse(JSON.parse(line)));
      const prompts = rows.map(({ question, answer }) => ({ prompt: question, answer: answer.split("#### ").at(-1) }));
      const datasetId = await uploadDataset(account.client, "gsm8k", jsonLines(prompts));
      const source = [
        "def reward(completions, answer=None, **kwargs):",
        "    return [1.0 if expected in text else min(1.0, len(set(text)) / 100) for text, expected in zip(completions, answer)]",
      ];
      const rewardId = await uploadReward(account.client, "contains", `${source.join("\n")}\n`);
      const jobId = await createJob(account.client, {
        method: "grpo",
        dataset_id: datasetId,
        reward_function_id: rewardId,
        hyperparameters: { max_steps: 3, rollouts_per_prompt: 4, global_batch_size: 8, max_response_length: 16 },
      });
      const items = await readStream(account.client, `/v1/training_jobs/${jobId}/logs`);
      const job = await readJob(account.client, jobId);
      expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", reason: null });
      const metrics = items.filter((item) => item.event === "metric" && item.data.includes('"reward"'));
      expect(metrics.length).toBe(3);
    },
  );
});

describe("the README's walk with curl", () => {
  it("runs as it is written, and ends with the two hashes equal", async () => {
    const block = /```sh walk\n([\s\S]*?)```/.exec(readFileSync(path.join(root, "README.md"), "utf8"))?.[1] ?? "";
    const dir = path.join(workDir, "walk");
    mkdirSync(dir);
    symlinkSync(path.join(root, "examples"), path.join(dir, "examples"));
    const env = { URL: plane.url, KEY: account.api_key };
    const outcome = await run("bash", ["-euo", "pipefail", "-c", block], { cwd: dir, env });
    expect(outcome.code, `${outcome.stdout}\n${outcome.stderr}`).toBe(0);
    expect(outcome.stdout).toContain("event: end");
    const [status, committed, downloaded] = outcome.stdout.trim().split("\n").slice(-3);
    expect(status).toBe("completed");
    expect(downloaded).toBe(`${String(committed)}  model.tar.gz`);
  });
});
