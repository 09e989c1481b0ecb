/** What the conformance tests of the Vertesia dialect begin with: an account with an environment, runs and a session. */
import { expect } from "vitest";
import { newAccountClient, type Answer, type WorkerClient } from "../harness/worker-client";

export const TRAINING = "/api/v1/training";
export const ENVIRONMENTS = "/api/v1/environments";

export interface VertesiaError {
  status: number;
  error: string;
  message: string;
}

export interface TrainingJob {
  id: string;
  status: string;
  details?: string;
  model?: string;
  created_at: string;
  updated_at: string;
}

export interface Session {
  id: string;
  project: string;
  status: string;
  runs?: string[];
  dataset: string | null;
  job: Partial<TrainingJob>;
  updated_at: string;
}

export interface Built {
  dataset: string;
  rows: number;
  skipped: number;
}

/** The body of an answer that must have this status. */
export function mustBe<T>(status: number, answer: Answer<T>): T {
  expect(answer.status, JSON.stringify(answer.body)).toBe(status);
  return answer.body;
}

/** Status and message of a refusal, in the dialect's shape. */
export function refusal(answer: Answer): [number, string] {
  const { status, error, message } = answer.body as VertesiaError;
  expect([status, typeof error]).toEqual([answer.status, "string"]);
  return [answer.status, message];
}

export async function newEnvironment(client: WorkerClient, fields: Record<string, unknown> = {}): Promise<string> {
  const body = { name: "lab", provider: "openai", ...fields };
  return mustBe(200, await client.post<{ id: string }>(ENVIRONMENTS, body)).id;
}

export interface Trainer {
  client: WorkerClient;
  env: string;
}

export async function newTrainer(fields: Record<string, unknown> = {}): Promise<Trainer> {
  const client = await newAccountClient();
  return { client, env: await newEnvironment(client, fields) };
}

export async function newSession({ client, env }: Trainer, fields: Record<string, unknown> = {}): Promise<string> {
  const body = { name: "My Training Session", env, model: "anneal/tiny-llama", ...fields };
  return mustBe(200, await client.post<Session>(TRAINING, body)).id;
}

export function runRow(question: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    interaction: "Ask",
    prompt: [{ role: "user", content: question }],
    result: [{ type: "text", value: `the answer to ${question}` }],
    status: "completed",
    ...fields,
  };
}

/** Imported runs' ids in their order. */
export async function importRuns(client: WorkerClient, rows: object[]): Promise<string[]> {
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  const answer = await client.post<{ runs: string[] }>("/api/v1/runs/import", lines, {
    "content-type": "application/x-ndjson",
  });
  return mustBe(200, answer).runs;
}

/** A session with as many runs as these, and data built of them. */
export async function preparedSession(trainer: Trainer, rows: object[]): Promise<string> {
  const { client } = trainer;
  const id = await newSession(trainer);
  mustBe(200, await client.post(`${TRAINING}/${id}/add`, { runs: await importRuns(client, rows) }));
  mustBe(200, await client.post(`${TRAINING}/${id}/build`));
  return id;
}
