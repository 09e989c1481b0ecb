/** Trainers and users that misbehave: the job says why, and nothing is left behind. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import {
  createJob,
  jsonLines,
  readEvents,
  uploadDataset,
  uploadReward,
  waitFor,
  waitForEvent,
  waitUntilEnded,
} from "../harness/jobs";
import { isAlive } from "../harness/processes";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const START_MS = 120_000;
const FOREVER = 100_000;

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;

beforeAll(async () => {
  await preparePython();
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 10_000, resumeIntervalMs: 1_000 });
  account = await plane.account("bad-trainers");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "patient" });
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
});

async function sftJob(maxSteps: number): Promise<string> {
  const rows = Array.from({ length: 50 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  return createJob(account.client, {
    method: "sft_text",
    dataset_id: await uploadDataset(account.client, "sums", jsonLines(rows)),
    hyperparameters: { max_steps: maxSteps, batch_size: 4, max_seq_length: 32 },
  });
}

const isRunning = (event: { event_type: string }): boolean => event.event_type === "running";

describe("cancel in mid-training", () => {
  it("ends the trainer within a heartbeat and cannot be repeated", async () => {
    const jobId = await sftJob(FOREVER);
    await waitForEvent(account.client, jobId, START_MS, isRunning, "running");
    const trainers = agent.trainers();
    expect(trainers).toHaveLength(1);
    const first = await account.client.send("POST", `/v1/training_jobs/${jobId}/cancel`);
    expect(await first.json()).toEqual({ id: jobId, object: "training_job", status: "cancelled" });
    await waitFor("the trainer's end", 30_000, () => (trainers.some(isAlive) ? null : true));
    const second = await account.client.send("POST", `/v1/training_jobs/${jobId}/cancel`);
    expect(second.status).toBe(400);
    const types = (await readEvents(account.client, jobId)).map((event) => event.event_type);
    expect(types.filter((type) => ["completed", "failed", "cancelled"].includes(type))).toEqual(["cancelled"]);
  });
});

describe("a trainer that is killed", () => {
  it("costs an attempt; the next one resumes from the last checkpoint", async () => {
    const jobId = await sftJob(300);
    const isResume = (event: { event_type: string; metadata: Record<string, unknown> }): boolean =>
      event.event_type === "checkpoint_committed" && event.metadata["kind"] === "resume";
    await waitForEvent(account.client, jobId, START_MS, isResume, "a resume checkpoint");
    const [trainer] = agent.trainers();
    if (trainer === undefined) throw new Error("the job finished before its trainer could be killed");
    process.kill(trainer, "SIGKILL");
    const lost = await waitForEvent(
      account.client,
      jobId,
      START_MS,
      (event) => event.event_type === "attempt_lost",
      "attempt_lost",
    );
    expect(JSON.stringify(lost.metadata)).toContain("trainer_killed");
    const job = await waitUntilEnded(account.client, jobId, START_MS);
    expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2 });
  });
});

describe("a reward function that throws on every call", () => {
  it("masks every sample, says so, and fails the job as reward_failure", async () => {
    const rows = Array.from({ length: 16 }, (_, n) => ({ prompt: `${String(n)}+1=`, answer: String(n + 1) }));
    const datasetId = await uploadDataset(account.client, "prompts", jsonLines(rows));
    const source = 'def reward(completions, **kwargs):\n    raise ValueError("no idea")\n';
    const jobId = await createJob(account.client, {
      method: "grpo",
      dataset_id: datasetId,
      reward_function_id: await uploadReward(account.client, "throws", source),
      hyperparameters: { max_steps: 10, rollouts_per_prompt: 2, global_batch_size: 4, max_response_length: 4 },
    });
    const job = await waitUntilEnded(account.client, jobId, START_MS);
    expect(job).toMatchObject({ status: "failed", attempt: 1, reason: { code: "reward_failure" } });
    const masked = (await readEvents(account.client, jobId)).filter((event) => event.event_type === "sample_masked");
    expect(masked.length).toBeGreaterThan(0);
    expect(JSON.stringify(masked)).toContain("no idea");
  });
});
