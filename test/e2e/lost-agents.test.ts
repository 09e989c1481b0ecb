/** An agent that dies, and one that only seems to: nothing is lost, nothing is done twice. Short clocks, real processes. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import {
  GPU,
  jsonLines,
  readEvents,
  readJob,
  readStream,
  uploadDataset,
  waitFor,
  waitForEvent,
  waitUntilEnded,
} from "../harness/jobs";
import { isAlive } from "../harness/processes";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const LEASE_MS = 4_000;
const RESUME_INTERVAL_MS = 1_500;
/** Trainers end within this after their agent's end (DESIGN §4). */
const TRAINER_ENDS_MS = 5_000;
/** A trainer imports for ten seconds when the machine is idle. */
const START_MS = 120_000;
const STEPS = 500;

let plane: TestPlane;
let account: TestAccount;
let agents: AgentProcess[];

beforeEach(async () => {
  await preparePython();
  agents = [];
  plane = await startPlane({ heartbeatMs: 500, leaseMs: LEASE_MS, resumeIntervalMs: RESUME_INTERVAL_MS });
  account = await plane.account("lost-agents");
});

afterEach(async () => {
  for (const agent of agents) await agent.dispose();
  await plane.close();
});

function newAgent(name: string): AgentProcess {
  const agent = startAgent({ url: plane.url, token: account.agentToken, name });
  agents.push(agent);
  return agent;
}

/** The shortest that a job may ask for. */
const HANG_TIMEOUT_SECONDS = 10;

async function longJob(hangTimeoutSeconds?: number): Promise<string> {
  const rows = Array.from({ length: 100 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  const datasetId = await uploadDataset(account.client, "sums", jsonLines(rows));
  const body = {
    method: "sft_text",
    base_model: "anneal/tiny-llama",
    output_name: "long",
    gpu: GPU,
    dataset_id: datasetId,
    hyperparameters: { learning_rate: 0.001, max_steps: STEPS, batch_size: 8, max_seq_length: 32 },
    ...(hangTimeoutSeconds === undefined ? {} : { hang_timeout_seconds: hangTimeoutSeconds }),
  };
  return (await account.client.post("/anneal/v1/jobs", body, z.object({ id: z.string() }))).id;
}

const stepped = z.object({ step: z.number() });
const metrics = z.object({ metrics: z.array(z.object({ step: z.number(), attempt: z.number() })) });

async function committedStep(jobId: string): Promise<number> {
  const event = await waitForEvent(
    account.client,
    jobId,
    START_MS,
    ({ event_type: type, metadata }) => type === "checkpoint_committed" && metadata["kind"] === "resume",
    "a resume checkpoint",
  );
  return stepped.parse(event.metadata).step;
}

async function lastCommittedOf(jobId: string, attempt: number): Promise<number> {
  const steps = (await readEvents(account.client, jobId))
    .filter((event) => event.event_type === "checkpoint_committed" && event.attempt === attempt)
    .map((event) => stepped.parse(event.metadata).step);
  return Math.max(...steps);
}

/** Steps 1…STEPS once each, and where the second attempt began. */
async function checkCurve(jobId: string, resumedFrom: number): Promise<void> {
  const path = `/anneal/v1/jobs/${jobId}/metrics?keys=loss&max_points=10000`;
  const points = (await account.client.get(path, metrics)).metrics;
  expect(points.map((point) => point.step)).toEqual(Array.from({ length: STEPS }, (_, n) => n + 1));
  expect(points.find((point) => point.attempt === 2)?.step).toBe(resumedFrom + 1);
}

describe("an agent that is killed in mid-training", () => {
  it("takes its trainer with it; another agent resumes from the last committed checkpoint and completes", async () => {
    const first = newAgent("first");
    const jobId = await longJob();
    await committedStep(jobId);
    const trainers = first.trainers();
    expect(trainers).toHaveLength(1);
    first.signal("SIGKILL");
    const killedAtMs = Date.now();
    await waitFor("the trainer's end", TRAINER_ENDS_MS, () => (trainers.some(isAlive) ? null : true));
    newAgent("second");
    await waitForEvent(account.client, jobId, LEASE_MS * 3, (event) => event.event_type === "requeued", "requeued");
    expect(Date.now() - killedAtMs).toBeLessThan(LEASE_MS + 5_000);
    const resumedFrom = await lastCommittedOf(jobId, 1);
    const job = await waitUntilEnded(account.client, jobId, START_MS);
    expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2 });
    await checkCurve(jobId, resumedFrom);
    const types = (await readEvents(account.client, jobId)).map((event) => event.event_type);
    expect(types.filter((type) => ["attempt_lost", "requeued", "completed"].includes(type))).toEqual([
      "attempt_lost",
      "requeued",
      "completed",
    ]);
  });
});

describe("an agent that was frozen until another had claimed its task", () => {
  it("gets 409 when it thaws, ends its trainer and changes nothing", async () => {
    const first = newAgent("first");
    const jobId = await longJob();
    await committedStep(jobId);
    const trainers = first.trainers();
    first.signal("SIGSTOP");
    newAgent("second");
    const isSecondClaim = (event: { event_type: string; attempt: number }): boolean =>
      event.event_type === "provisioning" && event.attempt === 2;
    await waitForEvent(account.client, jobId, START_MS, isSecondClaim, "the second claim");
    const resumedFrom = await lastCommittedOf(jobId, 1);
    const claimed = await readJob(account.client, jobId);
    first.signal("SIGCONT");
    await waitFor("the thawed agent's end of the task", 30_000, () => (/: ends, lost/.test(first.log()) ? true : null));
    await waitFor("the end of its trainer", TRAINER_ENDS_MS * 2, () => (trainers.some(isAlive) ? null : true));
    const job = await waitUntilEnded(account.client, jobId, START_MS);
    expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2, agent_id: claimed.agent_id });
    await checkCurve(jobId, resumedFrom);
    const events = await readEvents(account.client, jobId);
    const secondClaim = events.findIndex(isSecondClaim);
    expect(events.slice(secondClaim).every((event) => event.attempt === 2)).toBe(true);
    const items = await readStream(account.client, `/anneal/v1/jobs/${jobId}/stream`);
    const attempts = items
      .filter((item) => item.event === "metric")
      .map((item) => z.object({ attempt: z.number() }).parse(JSON.parse(item.data)).attempt);
    expect(attempts).toEqual([...attempts].sort((a, b) => a - b));
  });
});

describe("a trainer that no longer gets anywhere", () => {
  it("is killed as hung, and the next attempt goes on from the last committed checkpoint", async () => {
    const agent = newAgent("only");
    const jobId = await longJob(HANG_TIMEOUT_SECONDS);
    await committedStep(jobId);
    const [trainer = 0] = agent.trainers();
    process.kill(trainer, "SIGSTOP");
    const lost = await waitForEvent(
      account.client,
      jobId,
      (HANG_TIMEOUT_SECONDS + 30) * 1000,
      (event) => event.event_type === "attempt_lost",
      "the hang",
    );
    expect(lost.metadata).toMatchObject({ reason: "hang" });
    expect(isAlive(trainer)).toBe(false);
    const resumedFrom = await lastCommittedOf(jobId, 1);
    const job = await waitUntilEnded(account.client, jobId, START_MS);
    expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2 });
    await checkCurve(jobId, resumedFrom);
  });
});
