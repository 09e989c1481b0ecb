/**
 * The task types of rows through the Emissary API with a real agent and trainer: states, checkpoints, tests, models. Text
 * generation and GRPO are in tested-checkpoints.test.ts.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { emissaryClient, type EmissaryCheckpoint, type EmissaryClient, type Watched } from "../harness/emissary";
import { jsonLines } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const END_MS = 180_000;

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
let client: EmissaryClient;
let project: string;

beforeAll(async () => {
  await preparePython();
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 15_000, resumeIntervalMs: 600_000 });
  account = await plane.account("emissary");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "only" });
  client = emissaryClient(plane.url, account.api_key);
  project = await client.project("tasks");
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
});

const COLOURS = ["red", "green", "blue"];
const sentence = (n: number): string => `number ${String(n)} is ${COLOURS[n % 3] ?? ""}`;
const small = { per_device_train_batch_size: 8, per_device_eval_batch_size: 8, gradient_accumulation_steps: 1 };

/** Trains and waits; the run must have gone through its states in their order, and its progress only up. */
async function succeeded(id: string): Promise<{ watched: Watched; checkpoints: EmissaryCheckpoint[] }> {
  const watched = await client.watch(project, id, END_MS);
  const order = ["Pending", "Running", "Testing", "Success"];
  expect(watched.job.status, `${watched.statuses.join(", ")}\n${agent.log()}`).toBe("Success");
  expect(watched.statuses).toEqual(order.filter((status) => watched.statuses.includes(status)));
  expect(watched.progress).toEqual([...watched.progress].sort((a, b) => a - b));
  expect(watched.job.progress).toBe(100);
  expect(watched.job.training_loss.length).toBeGreaterThan(0);
  return { watched, checkpoints: await client.checkpoints(project, id) };
}

async function table(checkpoint: EmissaryCheckpoint | undefined): Promise<Record<string, unknown>[]> {
  const response = await fetch(checkpoint?.test_results?.general_test_result ?? "");
  expect(response.status).toBe(200);
  const rows = (await response.text()).trim().split("\n");
  return rows.map((row) => z.record(z.string(), z.unknown()).parse(JSON.parse(row)));
}

it("classification: epochs as checkpoints, each tested; a model that goes on from one of them", async () => {
  const csv = `input,expected_output\n${Array.from({ length: 60 }, (_, n) => `${sentence(n)},${COLOURS[n % 3] ?? ""}\n`).join("")}`;
  const id = await client.train(project, {
    name: "colours",
    base_model: "anneal/tiny-bert",
    train_dataset_id: await client.upload(project, "colours.csv", csv),
    train_test_split_ratio: 20,
    task_type: "classification",
    test_functions: ["sample_match_combined_metric_shared"],
    parameters: { ...small, num_train_epochs: 3, learning_rate: 0.003 },
    rebalance_data: { red: 20, green: 20, blue: 20 },
  });
  const { watched, checkpoints } = await succeeded(id);
  expect(watched.statuses).toContain("Testing");
  expect(checkpoints.map(({ checkpoint }) => checkpoint)).toEqual([1, 2, 3]);
  const means = checkpoints.map((one) =>
    Number(one.test_results?.aggregated_test_result["sample_match_combined_metric_shared"]),
  );
  for (const mean of means) expect(mean).toBeGreaterThanOrEqual(0);
  const rows = await table(checkpoints[2]);
  expect(rows).toHaveLength(12);
  const scores = rows.map((row) => Number(row["sample_match_combined_metric_shared"]));
  expect(scores.reduce((sum, score) => sum + score, 0) / 12).toBeCloseTo(means[2] ?? NaN, 3);
  expect(Object.keys(rows[0] ?? {})).toEqual(expect.arrayContaining(["input", "expected_output", "output"]));

  const part = await fetch(checkpoints[0]?.model_download_url ?? "", { headers: { range: "bytes=0-1" } });
  expect(part.status).toBe(206);
  expect([...new Uint8Array(await part.arrayBuffer())]).toEqual([0x1f, 0x8b]);

  const next = await client.train(project, {
    base_model_option: "fine-tuned",
    base_model: "colours",
    checkpoint: 2,
    train_dataset_id: await client.upload(project, "more.csv", csv),
    task_type: "classification",
    parameters: { ...small, num_train_epochs: 1 },
  });
  const second = await succeeded(next);
  expect(second.watched.statuses).not.toContain("Testing");
  expect(second.watched.job).toMatchObject({
    base_model: "anneal/tiny-bert",
    base_fine_tuned_model: "colours",
    base_fine_tuned_model_checkpoint: 2,
  });
  expect(second.checkpoints[0]?.test_results).toBeUndefined();
}, 300_000);

const summary = z.object({ data: z.array(z.object({ id: z.string(), method: z.string(), status: z.string() })) });

it("regression and embedding; and what Veri shows of all of them", async () => {
  const numbers = Array.from({ length: 40 }, (_, n) => ({ prompt: sentence(n), completion: (n % 10) / 10 }));
  const regression = await client.train(project, {
    base_model: "anneal/tiny-bert",
    train_dataset_id: await client.upload(project, "numbers.jsonl", jsonLines(numbers)),
    train_test_split_ratio: 10,
    task_type: "regression",
    test_functions: ["regression_mae"],
    parameters: { ...small, num_train_epochs: 1 },
  });
  const pairs = `text1,text2,score\n${Array.from({ length: 40 }, (_, n) => `${sentence(n)},${sentence(n + (n % 3))},${n % 3 === 0 ? "1.0" : "0.0"}\n`).join("")}`;
  const embedding = await client.train(project, {
    base_model: "anneal/tiny-bert",
    train_dataset_id: await client.upload(project, "pairs.csv", pairs),
    train_test_split_ratio: 10,
    task_type: "embedding",
    test_functions: ["regression_mae"],
    parameters: { ...small, num_train_epochs: 1 },
  });
  for (const id of [regression, embedding]) {
    const { checkpoints } = await succeeded(id);
    expect(checkpoints).toHaveLength(1);
    const [row] = await table(checkpoints[0]);
    expect(Number.isFinite(Number(row?.["output"]))).toBe(true);
    expect(Number(checkpoints[0]?.test_results?.aggregated_test_result["regression_mae"])).toBeGreaterThanOrEqual(0);
  }
  const { data: seen } = await account.client.get("/v1/training_jobs?limit=100", summary);
  for (const method of ["sft_classification", "sft_embedding", "sft_regression"])
    expect(seen).toContainEqual(expect.objectContaining({ method, status: "completed" }));
}, 300_000);
