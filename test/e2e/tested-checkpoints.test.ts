/**
 * Tests of checkpoints with everything real, through the Emissary API. A classifier's agent is killed in the middle of
 * its tests, and another one goes on with the first checkpoint that is untested; a language model is tuned, and then
 * tuned on by testing functions as rewards.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { readEvents, readJob, waitForEvent, waitUntilEnded, type JobEvent } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const LEASE_MS = 4_000;
const START_MS = 180_000;
const ROWS = 60;
const TEST_PERCENT = 20;
const EPOCHS = 3;
const SHARED = "sample_match_combined_metric_shared";
/** Slow enough for its agent to be killed in the middle: six seconds and more for each checkpoint. */
const SLOW = [
  "import time",
  "",
  "",
  "def slow_length(input_text, expected_output, predicted_output):",
  "    time.sleep(0.5)",
  "    return float(len(input_text))",
  "",
].join("\n");

let plane: TestPlane;
let account: TestAccount;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  await preparePython();
  plane = await startPlane({ heartbeatMs: 500, leaseMs: LEASE_MS, resumeIntervalMs: 60_000 });
  account = await plane.account("tested");
});

afterAll(async () => {
  for (const agent of agents) await agent.dispose();
  await plane.close();
});

function newAgent(name: string): AgentProcess {
  const agent = startAgent({ url: plane.url, token: account.agentToken, name });
  agents.push(agent);
  return agent;
}

const created = z.object({ id: z.string() });
const progressOf = z.object({ status: z.string(), progress: z.number() });
const checkpointList = z.array(
  z.object({
    checkpoint: z.number(),
    model_download_url: z.string(),
    test_results: z.object({
      general_test_result: z.string(),
      aggregated_test_result: z.record(z.string(), z.string()),
    }),
  }),
);
const resultRow = z.record(z.string(), z.union([z.string(), z.number(), z.null()]));

async function uploadCsv(): Promise<string> {
  const lines = Array.from({ length: ROWS }, (_, n) =>
    n % 2 === 0 ? `"please stop the card, ${String(n)}",card` : `where is my money ${String(n)},money`,
  );
  const form = new FormData();
  form.set("name", "intents");
  form.set("file", new File([["input,expected_output", ...lines, ""].join("\n")], "intents.csv"));
  return (await account.client.post(`/v1/projects/${account.project_id}/datasets`, form, created)).id;
}

async function createFunction(): Promise<void> {
  const form = new FormData();
  form.set("name", "slow_length");
  form.set("format", "test");
  form.set("file", new File([SLOW], "slow_length.py"));
  await account.client.post("/anneal/v1/functions", form, created);
}

const isTest = ({ event_type: type, metadata }: JobEvent): boolean =>
  type === "checkpoint_committed" && metadata["kind"] === "test";

it("survive the loss of their agent: each checkpoint is tested once, and every row has its scores", async () => {
  const { client, project_id: project } = account;
  const [datasetId] = await Promise.all([uploadCsv(), createFunction()]);
  const first = newAgent("first");
  const { id } = await client.post(
    `/v1/projects/${project}/training-jobs`,
    {
      base_model: "anneal/tiny-bert",
      task_type: "classification",
      train_dataset_id: datasetId,
      train_test_split_ratio: TEST_PERCENT,
      test_functions: [SHARED, "slow_length"],
      parameters: { num_train_epochs: EPOCHS, learning_rate: 0.001, per_device_train_batch_size: 8 },
    },
    created,
  );
  const jobId = id.replace(/^tr-/, "job_");
  await waitForEvent(client, jobId, START_MS, isTest, "the first test");
  const shown = await client.get(`/v1/projects/${project}/training-jobs/${id}`, progressOf);
  expect(shown).toMatchObject({ status: "Testing" });
  expect(shown.progress).toBeGreaterThanOrEqual(90);
  expect(shown.progress).toBeLessThan(100);
  first.signal("SIGKILL");
  newAgent("second");
  const job = await waitUntilEnded(client, jobId, START_MS);
  expect(job, job.log_tail.join("\n")).toMatchObject({ status: "completed", attempt: 2 });

  const events = await readEvents(client, jobId);
  const tests = events.filter(isTest);
  const models = events.filter(
    ({ event_type: type, metadata }) =>
      type === "checkpoint_committed" && ["epoch", "final"].includes(String(metadata["kind"])),
  );
  expect(models.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  expect(tests.map(({ metadata }) => metadata["step"])).toEqual(models.map(({ metadata }) => metadata["step"]));
  expect(tests.map(({ attempt }) => attempt).at(-1)).toBe(2);
  expect(events.map(({ event_type: type }) => type).filter((type) => type !== "checkpoint_committed")).toEqual([
    ...["created", "submitted", "provisioning", "gpu_substituted", "running", "testing", "attempt_lost", "requeued"],
    ...["provisioning", "gpu_substituted", "running", "testing", "completed"],
  ]);

  expect(await client.get(`/v1/projects/${project}/training-jobs/${id}`, progressOf)).toEqual({
    status: "Success",
    progress: 100,
  });
  const checkpoints = await client.get(`/v1/projects/${project}/training-jobs/${id}/checkpoints`, checkpointList);
  expect(checkpoints.map(({ checkpoint }) => checkpoint)).toEqual([1, 2, 3]);
  const inputs = new Set<string>();
  for (const { test_results: results } of checkpoints) {
    const text = await (await fetch(results.general_test_result)).text();
    const rows = text
      .trimEnd()
      .split("\n")
      .map((line) => resultRow.parse(JSON.parse(line)));
    expect(rows).toHaveLength((ROWS * TEST_PERCENT) / 100);
    expect(Object.keys(rows[0] ?? {})).toEqual(["input", "expected_output", "output", SHARED, "slow_length"]);
    for (const row of rows) expect(row["slow_length"]).toBe(String(row["input"]).length);
    const scores = rows.map((row) => Number(row[SHARED]));
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    expect(Number(results.aggregated_test_result[SHARED])).toBeCloseTo(mean, 4);
    inputs.add(rows.map((row) => row["input"]).join("\n"));
  }
  // Both attempts have held the same rows back.
  expect(inputs.size).toBe(1);
  expect((await readJob(client, jobId)).attempt).toBe(2);
});

const GRPO_WEIGHTS = { test_similarity_shared: 0.75, json_format_valid: 0.25 };

it("a tuned checkpoint is tuned on by two testing functions as rewards, and tested by both", async () => {
  const { client, project_id: project } = account;
  if (agents.length < 2) newAgent("second");
  const jobs = `/v1/projects/${project}/training-jobs`;
  const form = new FormData();
  const rows = Array.from({ length: 20 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  form.set("file", new File([rows.map((row) => `${JSON.stringify(row)}\n`).join("")], "sums.jsonl"));
  const dataset = (await client.post(`/v1/projects/${project}/datasets`, form, created)).id;
  const common = { train_dataset_id: dataset, train_test_split_ratio: 20, task_type: "text-generation" };

  const tuned = {
    ...common,
    base_model: "anneal/tiny-llama",
    name: "tuned",
    test_functions: ["test_similarity_shared"],
  };
  const parameters = { num_train_epochs: 2, per_device_train_batch_size: 4, max_seq_length: 32 };
  const first = (await client.post(jobs, { ...tuned, parameters }, created)).id;
  const sft = await waitUntilEnded(client, first.replace(/^tr-/, "job_"), START_MS);
  expect(sft, sft.log_tail.join("\n")).toMatchObject({ status: "completed" });

  const rewarded = {
    ...common,
    ...{ base_model_option: "fine-tuned", base_model: "tuned", checkpoint: 1 },
    ...{ test_functions: Object.keys(GRPO_WEIGHTS), reward: GRPO_WEIGHTS },
    parameters: { num_train_epochs: 1, num_generations: 2, per_device_train_batch_size: 8, max_completion_length: 8 },
  };
  const second = (await client.post(`${jobs}/grpo`, rewarded, created)).id;
  const grpo = await waitUntilEnded(client, second.replace(/^tr-/, "job_"), START_MS);
  expect(grpo, grpo.log_tail.join("\n")).toMatchObject({ status: "completed" });
  for (const [id, names] of [
    [first, ["test_similarity_shared"]],
    [second, Object.keys(GRPO_WEIGHTS)],
  ] as const) {
    const checkpoints = await client.get(`${jobs}/${id}/checkpoints`, checkpointList);
    expect(checkpoints.map(({ checkpoint }) => checkpoint)).toEqual(id === first ? [1, 2] : [1]);
    for (const { test_results: results } of checkpoints) {
      expect(Object.keys(results.aggregated_test_result).sort()).toEqual([...names].sort());
    }
  }
  const points = z.object({ metrics: z.array(z.object({ values: z.record(z.string(), z.number()) })) });
  const path = `/anneal/v1/jobs/${second.replace(/^tr-/, "job_")}/metrics?max_points=1000`;
  const { metrics } = await client.get(path, points);
  expect(metrics.length).toBeGreaterThan(0);
  for (const { values } of metrics) expect(values["reward"]).toEqual(expect.any(Number));
});
