/**
 * Tasks that do not train, with everything real: a base model is imported, a dataset is preprocessed for it, and a training
 * from the one on the other tells the same, to the bit, as one that tokenises for itself.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { run } from "../../scripts/processes";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { GPU, jsonLines, readStream, uploadDataset, waitUntilEnded } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const END_MS = 180_000;
const ROWS = 40;
const EPOCHS = 2;
const METRICS = ["accuracy", "f1"];

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
let dir: string;

beforeAll(async () => {
  await preparePython();
  dir = mkdtempSync(path.join(os.tmpdir(), "anneal-tasks-"));
  plane = await startPlane({ heartbeatMs: 1_000, leaseMs: 30_000, resumeIntervalMs: 60_000 });
  account = await plane.account("tasks");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "tasks" });
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
  rmSync(dir, { recursive: true, force: true });
});

const created = z.object({ id: z.string() });
const detail = z.object({
  files: z.array(z.object({ role: z.string(), size_bytes: z.number(), sha256: z.string(), url: z.string() })),
});
const metricPoints = z.object({
  metrics: z.array(z.object({ step: z.number(), values: z.record(z.string(), z.number()) })),
});

/** Made, and brought to its end: its id. */
async function completed(request: Record<string, unknown>): Promise<string> {
  const body = { method: "classification", output_name: "tasks", gpu: GPU, ...request };
  const { id } = await account.client.post("/anneal/v1/jobs", body, created);
  const job = await waitUntilEnded(account.client, id, END_MS);
  expect(job, `${JSON.stringify(job.reason)}\n${job.log_tail.join("\n")}`).toMatchObject({ status: "completed" });
  return id;
}

/** The names of the files in each archive of the task's final checkpoint, whose SHA-256 is that of the manifest. */
async function archives(id: string): Promise<Record<string, string[]>> {
  const { client } = account;
  const list = z.object({ data: z.array(z.object({ id: z.string(), kind: z.string() })) });
  const { data } = await client.get(`/anneal/v1/jobs/${id}/checkpoints`, list);
  expect(data.map(({ kind }) => kind)).toEqual(["final"]);
  const { files } = await client.get(`/anneal/v1/jobs/${id}/checkpoints/${data[0]?.id ?? ""}`, detail);
  const found: Record<string, string[]> = {};
  for (const { role, url, sha256, size_bytes: size } of files) {
    const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
    expect([bytes.length, createHash("sha256").update(bytes).digest("hex")]).toEqual([size, sha256]);
    const file = path.join(dir, `${role}.tar.gz`);
    writeFileSync(file, bytes);
    const listed = await run("tar", ["tzf", file]);
    expect(listed.code, listed.stderr).toBe(0);
    found[role] = listed.stdout.trim().split("\n");
  }
  return found;
}

async function metrics(id: string, kind: "train" | "eval") {
  return (await account.client.get(`/anneal/v1/jobs/${id}/metrics?kind=${kind}&max_points=1000`, metricPoints)).metrics;
}

it("imports, preprocesses, and trains on both as it would have without", async () => {
  const imported = await completed({ kind: "import", base_model: "anneal/tiny-bert" });
  const brought = await archives(imported);
  expect(Object.keys(brought).sort()).toEqual(["model", "tokenizer"]);
  expect(brought["model"]).toEqual(expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json"]));
  expect(brought["tokenizer"]).toContain("tokenizer.json");
  expect(brought["tokenizer"]?.join()).not.toContain("safetensors");

  const rows = Array.from({ length: ROWS }, (_, n) =>
    n % 2 === 0
      ? { text: `please stop the card, ${String(n)}`, label: "card" }
      : { text: `money ${String(n)}`, label: "money" },
  );
  const datasetId = await uploadDataset(account.client, "intents", jsonLines(rows));
  const training = {
    base_model: imported,
    dataset_id: datasetId,
    hyperparameters: { num_epochs: EPOCHS, batch_size: 8, max_seq_length: 32, learning_rate: 0.001 },
    eval: { split_percent: 20, every_epochs: 1, metrics: METRICS, at_start: true },
  };
  const preprocessed = await completed({ ...training, kind: "preprocess" });
  expect(Object.keys(await archives(preprocessed))).toEqual(["cache"]);

  const onIt = await completed({ ...training, preprocessed_by: preprocessed });
  const stream = await readStream(account.client, `/anneal/v1/jobs/${onIt}/stream`);
  const notices = stream.filter(({ event }) => event === "notice").map(({ data }) => data);
  expect(notices.join("\n")).toContain("The rows come tokenised");
  const plain = await completed(training);
  const losses = (await metrics(onIt, "train")).map(({ step, values }) => [step, values["loss"]]);
  expect(losses.length).toBeGreaterThanOrEqual(2 * EPOCHS);
  expect((await metrics(plain, "train")).map(({ step, values }) => [step, values["loss"]])).toEqual(losses);

  const evaluations = await metrics(onIt, "eval");
  expect(evaluations.map(({ values }) => values["epoch"])).toEqual(Array.from({ length: EPOCHS + 1 }, (_, n) => n));
  expect(evaluations[0]?.step).toBe(0);
  for (const { values } of evaluations) {
    for (const name of METRICS) expect(values[name]).toEqual(expect.any(Number));
  }
  expect(await metrics(plain, "eval")).toEqual(evaluations.map((row) => expect.objectContaining({ step: row.step })));
});
