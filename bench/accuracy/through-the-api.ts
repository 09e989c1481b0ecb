/**
 * A real pretrained model fine-tuned on real data through the Emissary API, by a control plane and an agent of its own:
 * what the tests of its checkpoints say.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { emissaryClient, type EmissaryCheckpoint, type EmissaryClient } from "../../test/harness/emissary";
import { startControlPlane } from "../../scripts/control-plane";
import { freePort } from "../../scripts/free-port";
import { createAccount, createAgentToken } from "../../scripts/local-account";
import { startLocalAgent, waitForAgent } from "../../scripts/local-agent";
import { startProgress } from "../../scripts/progress";
import type { RealData } from "./real-data";

const JOB_TIMEOUT_MS = 3 * 3600_000;
const MIN_ACCURACY = 0.9;
/** A trained embedding must order pairs better than the pretrained one by this much. */
const MIN_RISE = 0.01;
/** Of the squared error of who always says the mean. */
const MAX_SHARE_OF_ERROR = 0.9;
/** Trains next to nothing: what the model could before. */
const UNTRAINED = { learning_rate: 1e-12, downsample_size: 1, num_train_epochs: 1 };

export interface Figure {
  name: string;
  value: number;
  target: string;
  holds: boolean;
  detail: string;
}

interface Setting {
  client: EmissaryClient;
  project: string;
  data: RealData;
  model: string;
}

export const TASKS = ["classification", "embedding", "regression"] as const;
export type Task = (typeof TASKS)[number];

export async function accuracyThroughTheApi(
  workDir: string,
  model: string,
  data: RealData,
  tasks: readonly Task[],
): Promise<Figure[]> {
  const plane = await startControlPlane({ stateDir: workDir, port: await freePort() });
  const account = await createAccount(plane.url, plane.adminToken, "accuracy");
  const { token } = await createAgentToken(plane.url, account.api_key);
  const logFile = path.join(workDir, "agent.log");
  const agent = startLocalAgent({ url: plane.url, token, stateDir: path.join(workDir, "agent"), logFile });
  await waitForAgent(agent, plane.url, account.api_key);
  const client = emissaryClient(plane.url, account.api_key);
  const setting = { client, project: await client.project("accuracy"), data, model };
  try {
    const figures: Figure[] = [];
    const measures = { classification, embedding, regression };
    for (const task of tasks) figures.push(await measures[task](setting));
    return figures;
  } catch (error) {
    console.error(readFileSync(logFile, "utf8").slice(-3000));
    throw error;
  }
}

const batches = { per_device_train_batch_size: 16, gradient_accumulation_steps: 1, per_device_eval_batch_size: 64 };

async function classification({ client, project, data, model }: Setting): Promise<Figure> {
  const { checkpoints, seconds } = await trained({ client, project, data, model }, "classification", {
    train_dataset_id: await client.upload(project, "train.csv", data.questions("train")),
    test_dataset_id: await client.upload(project, "test.csv", data.questions("test")),
    test_functions: ["sample_match_combined_metric_shared"],
    parameters: { ...batches, num_train_epochs: 3, learning_rate: 3e-4, warmup_ratio: 0.1, max_seq_length: 32 },
  });
  const accuracies = checkpoints.map((one) =>
    Number(one.test_results?.aggregated_test_result["sample_match_combined_metric_shared"]),
  );
  const value = accuracies.at(-1) ?? NaN;
  const detail = `by epoch ${accuracies.join(", ")}, on the test file, in ${seconds.toFixed(0)} s`;
  return { name: "classification", value, target: `≥ ${String(MIN_ACCURACY)}`, holds: value >= MIN_ACCURACY, detail };
}

async function embedding({ client, project, data, model }: Setting): Promise<Figure> {
  const datasets = {
    train_dataset_id: await client.upload(project, "pairs.jsonl", data.pairs("train", 6000)),
    test_dataset_id: await client.upload(project, "test-pairs.jsonl", data.pairs("test", 2000)),
    test_functions: ["regression_mae"],
  };
  const parameters = { ...batches, num_train_epochs: 1, learning_rate: 1e-4, warmup_ratio: 0.1, max_seq_length: 64 };
  const setting = { client, project, data, model };
  const before = await trained(setting, "embedding", { ...datasets, parameters: { ...parameters, ...UNTRAINED } });
  const after = await trained(setting, "embedding", { ...datasets, parameters });
  const [was, is] = await Promise.all(
    [before, after].map(async (one) => spearman(await table(one.checkpoints.at(-1)))),
  );
  const value = (is ?? NaN) - (was ?? NaN);
  const detail = `Spearman ${String(was?.toFixed(4))} before, ${String(is?.toFixed(4))} after, in ${after.seconds.toFixed(0)} s`;
  return { name: "embedding", value, target: `≥ ${String(MIN_RISE)}`, holds: value >= MIN_RISE, detail };
}

async function regression({ client, project, data, model }: Setting): Promise<Figure> {
  const { checkpoints, seconds } = await trained({ client, project, data, model }, "regression", {
    train_dataset_id: await client.upload(project, "sizes.jsonl", data.sizes("train", 3000)),
    test_dataset_id: await client.upload(project, "test-sizes.jsonl", data.sizes("test", 1319)),
    test_functions: ["regression_mae"],
    parameters: { ...batches, num_train_epochs: 2, learning_rate: 2e-4, warmup_ratio: 0.1, max_seq_length: 128 },
  });
  const rows = await table(checkpoints.at(-1));
  const mean = rows.reduce((sum, { expected }) => sum + expected, 0) / rows.length;
  const error = rows.reduce((sum, { expected, output }) => sum + (expected - output) ** 2, 0);
  const ofMean = rows.reduce((sum, { expected }) => sum + (expected - mean) ** 2, 0);
  const value = error / ofMean;
  const detail = `squared error over that of the test set's own mean, ${String(rows.length)} rows, in ${seconds.toFixed(0)} s`;
  const target = `≤ ${String(MAX_SHARE_OF_ERROR)}`;
  return { name: "regression", value, target, holds: value <= MAX_SHARE_OF_ERROR, detail };
}

async function trained(
  { client, project, model }: Setting,
  task: string,
  body: object,
): Promise<{ checkpoints: EmissaryCheckpoint[]; seconds: number }> {
  const startedAtMs = Date.now();
  const base = { base_model: "HF_MODEL", hf_model_link: model, task_type: task };
  const id = await client.train(project, { ...base, ...body });
  const bar = startProgress(task, 100);
  const { job } = await client.watch(project, id, JOB_TIMEOUT_MS, ({ progress, status }) => {
    bar.update(progress, status);
  });
  const seconds = (Date.now() - startedAtMs) / 1000;
  bar.done(`${task}: ${job.status} in ${seconds.toFixed(0)} s`);
  if (job.status !== "Success") throw new Error(`the ${task} job is ${job.status}`);
  return { checkpoints: await client.checkpoints(project, id), seconds };
}

const row = z.object({ expected_output: z.coerce.number(), output: z.coerce.number() });

async function table(checkpoint: EmissaryCheckpoint | undefined): Promise<{ expected: number; output: number }[]> {
  const response = await fetch(checkpoint?.test_results?.general_test_result ?? "");
  const lines = (await response.text()).trim().split("\n");
  return lines
    .map((line) => row.parse(JSON.parse(line)))
    .map((one) => ({ expected: one.expected_output, output: one.output }));
}

function spearman(rows: { expected: number; output: number }[]): number {
  const [one, other] = [ranks(rows.map(({ expected }) => expected)), ranks(rows.map(({ output }) => output))];
  const mean = (rows.length - 1) / 2;
  const sum = (of: (n: number) => number): number => rows.reduce((total, _, n) => total + of(n), 0);
  const [a, b] = [(n: number) => (one[n] ?? 0) - mean, (n: number) => (other[n] ?? 0) - mean];
  return sum((n) => a(n) * b(n)) / Math.sqrt(sum((n) => a(n) ** 2) * sum((n) => b(n) ** 2));
}

/** Of equal values each has the mean of their ranks. */
function ranks(values: number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const [first, last] = [new Map<number, number>(), new Map<number, number>()];
  for (const [at, value] of sorted.entries()) {
    if (!first.has(value)) first.set(value, at);
    last.set(value, at);
  }
  return values.map((value) => ((first.get(value) ?? 0) + (last.get(value) ?? 0)) / 2);
}
