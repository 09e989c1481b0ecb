/** Jobs through the public API in end-to-end tests: create, wait by the live stream, read. Every wait has an end. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { ApiClient } from "../../scripts/api";
import type { SseItem } from "../../scripts/sse";

const created = z.object({ id: z.string() });
export const GPU = { type: "L4-24GB", count: 1 };

export function jsonLines(rows: object[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

export async function uploadDataset(client: ApiClient, name: string, text: string): Promise<string> {
  const form = new FormData();
  form.set("name", name);
  form.set("file", new File([text], `${name}.jsonl`));
  return (await client.post("/v1/datasets", form, created)).id;
}

export async function uploadReward(client: ApiClient, name: string, source: string): Promise<string> {
  const form = new FormData();
  form.set("name", name);
  form.set("format", "trl");
  form.set("file", new File([source], "reward.py"));
  return (await client.post("/v1/reward_functions", form, created)).id;
}

export interface JobRequest {
  method: "sft_text" | "grpo";
  base_model?: string;
  dataset_id: string;
  reward_function_id?: string;
  hyperparameters: Record<string, unknown>;
}

export async function createJob(client: ApiClient, request: JobRequest): Promise<string> {
  const body = { base_model: "anneal/tiny-llama", output_name: "test", gpu: GPU, ...request };
  return (await client.post("/v1/training_jobs", body, created)).id;
}

const nativeJob = z.object({
  status: z.string(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable(),
  attempt: z.number(),
  agent_id: z.string().nullable(),
  checkpoint_sha256: z.string().nullable(),
  log_tail: z.array(z.string()),
});
export type NativeJob = z.infer<typeof nativeJob>;

/** The same job as the native dialect shows it: the ids are the same. */
export function readJob(client: ApiClient, id: string): Promise<NativeJob> {
  return client.get(`/anneal/v1/jobs/${id}`, nativeJob);
}

const eventList = z.object({
  data: z.array(z.object({ event_type: z.string(), attempt: z.number(), metadata: z.record(z.string(), z.unknown()) })),
});
export type JobEvent = z.infer<typeof eventList>["data"][number];

export async function readEvents(client: ApiClient, id: string): Promise<JobEvent[]> {
  return (await client.get(`/anneal/v1/jobs/${id}/events?limit=1000`, eventList)).data;
}

/** Looks until `find` finds something; says what it was waiting for when it never does. */
export async function waitFor<T>(
  what: string,
  timeoutMs: number,
  find: () => Promise<T | null> | T | null,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const found = await find();
    if (found !== null) return found;
    if (Date.now() > deadlineMs) throw new Error(`waited ${String(timeoutMs / 1000)} s in vain for ${what}`);
    await sleep(100);
  }
}

export function waitForEvent(
  client: ApiClient,
  id: string,
  timeoutMs: number,
  isIt: (event: JobEvent) => boolean,
  what: string,
): Promise<JobEvent> {
  return waitFor(what, timeoutMs, async () => {
    const event = (await readEvents(client, id)).find(isIt);
    if (event !== undefined) return event;
    const job = await readJob(client, id);
    if (!["completed", "failed", "cancelled", "timed_out"].includes(job.status)) return null;
    const last = (await readEvents(client, id)).find(isIt);
    if (last !== undefined) return last;
    throw new Error(
      `the job ended as ${job.status} without ${what}: ${JSON.stringify(job.reason)}\n${job.log_tail.join("\n")}`,
    );
  });
}

export async function waitUntilEnded(client: ApiClient, id: string, timeoutMs: number): Promise<NativeJob> {
  return waitFor(`the end of ${id}`, timeoutMs, async () => {
    const job = await readJob(client, id);
    return ["completed", "failed", "cancelled", "timed_out"].includes(job.status) ? job : null;
  });
}

/** The whole stream of a job from `lastEventId` to its end. */
export async function readStream(client: ApiClient, path: string): Promise<SseItem[]> {
  const items: SseItem[] = [];
  for await (const item of client.follow(path)) items.push(item);
  return items;
}
