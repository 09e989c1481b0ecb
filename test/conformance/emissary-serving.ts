/** What the tests of engines and inference begin with: models that were trained here, and an agent that serves them. */
import { expect } from "vitest";
import { WorkerAgent } from "../harness/worker-agent";
import {
  COMPLETIONS,
  LABELLED,
  newDataset,
  newJob,
  PAIRS,
  SCORED,
  type EmissaryProject,
  type Id,
} from "./emissary-setup";

export interface Deployment extends Id {
  name: string;
  status: string;
  [key: string]: unknown;
}

export interface Engine extends Id {
  name: string;
  status: string;
  deployments: Deployment[];
  [key: string]: unknown;
}

const TASKS = {
  "text-generation": { base_model: "anneal/tiny-llama", rows: COMPLETIONS, file: "rows.jsonl" },
  classification: { base_model: "anneal/tiny-bert", rows: LABELLED, file: "rows.csv" },
  regression: { base_model: "anneal/tiny-bert", rows: SCORED, file: "rows.jsonl" },
  embedding: { base_model: "anneal/tiny-bert", rows: PAIRS, file: "rows.csv" },
} as const;
export type Task = keyof typeof TASKS;

/** A training job that has succeeded, with two checkpoints. */
export async function trained(project: EmissaryProject, task: Task, name: string): Promise<string> {
  const { base_model, rows, file } = TASKS[task];
  const job = await newJob(project, {
    ...{ name, base_model, task_type: task, train_dataset_id: await newDataset(project, rows, file) },
    parameters: { num_train_epochs: 2, ...(task === "text-generation" ? { lora_rank: 0 } : {}) },
  });
  const lease = await (await WorkerAgent.register(project.account)).lease();
  await lease.started(4);
  const files = { "config.json": "{}", "model.safetensors": "weights" };
  await lease.commitModel("epoch", files, 2, 1);
  await lease.commitModel("final", files, 4, 2);
  await lease.finish(4);
  return job.id;
}

/** On an engine of its own. */
export async function deploy(project: EmissaryProject, body: Record<string, unknown>): Promise<Deployment> {
  const made = await project.client.post<Deployment>("createDeployment", `${project.path}/deployments`, body);
  expect(made.status, JSON.stringify(made.body)).toBe(201);
  return made.body;
}
