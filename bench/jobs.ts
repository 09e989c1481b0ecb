/** Datasets and jobs through the native API. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ApiClient } from "../scripts/api";

const created = z.object({ id: z.string() });

export async function uploadDataset(client: ApiClient, rows: object[]): Promise<string> {
  const form = new FormData();
  form.set("name", "bench");
  form.set("file", new File([rows.map((row) => `${JSON.stringify(row)}\n`).join("")], "bench.jsonl"));
  return (await client.post("/anneal/v1/datasets", form, created)).id;
}

export interface JobRequest {
  datasetId: string;
  hyperparameters?: Record<string, unknown>;
}

export async function createJob(client: ApiClient, { datasetId, hyperparameters }: JobRequest): Promise<string> {
  const body = {
    method: "sft_text",
    base_model: "anneal/tiny-llama",
    dataset_id: datasetId,
    output_name: "bench",
    hyperparameters: hyperparameters ?? {},
  };
  return (await client.post("/anneal/v1/jobs", body, created)).id;
}

const jobStatus = z.object({
  status: z.string(),
  attempt: z.number(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable(),
  log_tail: z.array(z.string()),
});

const POLL_MS = 100;

/** Waits until the job has completed; says why when it ends otherwise. */
export async function waitUntilCompleted(client: ApiClient, id: string, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const job = await client.get(`/anneal/v1/jobs/${id}`, jobStatus);
    if (job.status === "completed") return;
    if (["failed", "cancelled", "timed_out"].includes(job.status)) {
      throw new Error(`job ${id} is ${job.status}: ${JSON.stringify(job.reason)}\n${job.log_tail.join("\n")}`);
    }
    if (Date.now() > deadlineMs) throw new Error(`job ${id} is still ${job.status}`);
    await sleep(POLL_MS);
  }
}

const metricData = z.object({
  timestamp: z.string(),
  step: z.number(),
  attempt: z.number(),
  values: z.record(z.string(), z.number()),
});
export interface MetricItem {
  atMs: number;
  step: number;
  attempt: number;
  values: Record<string, number>;
}

/** The metric items of a job's stream, to its end. Times are when the agent read the trainer's line. */
export async function* followMetrics(client: ApiClient, id: string): AsyncGenerator<MetricItem> {
  for await (const item of client.follow(`/anneal/v1/jobs/${id}/stream`)) {
    if (item.event !== "metric") continue;
    const { timestamp, ...rest } = metricData.parse(JSON.parse(item.data));
    yield { atMs: Date.parse(timestamp), ...rest };
  }
}
