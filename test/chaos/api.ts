/** What the chaos reads and asks through the public API, with the patience that a control plane under fire needs. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { ApiError, type ApiClient } from "../../scripts/api";

/** No outage of a run is as long. */
const PATIENCE_MS = 180_000;
const RETRY_MS = 500;

/** Tries again while nobody answers or the answer is that the service is away; whatever is refused is thrown. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isAway =
        error instanceof ApiError ? error.status >= 500 || error.status === 429 : error instanceof TypeError;
      if (!isAway || Date.now() > deadlineMs) throw error;
    }
    await sleep(RETRY_MS);
  }
}

const created = z.object({ id: z.string() });

/** Creates the job once, however often the answer is lost. */
export function createJob(client: ApiClient, request: object, key: string): Promise<string> {
  const headers = { "idempotency-key": key };
  return patiently(async () => (await client.post("/anneal/v1/jobs", request, created, headers)).id);
}

const job = z.object({
  id: z.string(),
  status: z.string(),
  attempt: z.number(),
  lost_in_a_row: z.number(),
  checkpoint_sha256: z.string().nullable(),
  reason: z.object({ code: z.string(), message: z.string() }).nullable(),
  log_tail: z.array(z.string()),
});
export type Job = z.infer<typeof job>;

export function readJob(client: ApiClient, id: string): Promise<Job> {
  return client.get(`/anneal/v1/jobs/${id}`, job);
}

const checkpoints = z.object({
  data: z.array(
    z.object({
      attempt: z.number(),
      kind: z.string(),
      step: z.number(),
      created_at: z.string(),
      results: z.record(z.string(), z.number()).nullable(),
    }),
  ),
});

export async function newestCheckpoint(
  client: ApiClient,
  id: string,
): Promise<{ attempt: number; step: number; atMs: number } | null> {
  const { data } = await client.get(`/anneal/v1/jobs/${id}/checkpoints?limit=1`, checkpoints);
  const [newest] = data;
  return newest ? { attempt: newest.attempt, step: newest.step, atMs: Date.parse(newest.created_at) } : null;
}

/** What each test of a checkpoint has shown, by steps: as many as there are, so that one too many is seen. */
export async function readTests(client: ApiClient, id: string): Promise<{ step: number; results: unknown }[]> {
  const { data } = await client.get(`/anneal/v1/jobs/${id}/checkpoints?limit=100`, checkpoints);
  const tests = data.filter(({ kind }) => kind === "test");
  return tests.map(({ step, results }) => ({ step, results })).sort((a, b) => a.step - b.step);
}

const events = z.object({
  data: z.array(
    z.object({
      id: z.number(),
      event_type: z.string(),
      attempt: z.number(),
      metadata: z.record(z.string(), z.unknown()),
    }),
  ),
  has_more: z.boolean(),
});
export type JobEvent = z.infer<typeof events>["data"][number];

export async function readEvents(client: ApiClient, id: string): Promise<JobEvent[]> {
  const all: JobEvent[] = [];
  for (;;) {
    const after = all.at(-1)?.id ?? 0;
    const page = await client.get(`/anneal/v1/jobs/${id}/events?limit=1000&after=${String(after)}`, events);
    all.push(...page.data);
    if (!page.has_more) return all;
  }
}

const metrics = z.object({
  metrics: z.array(z.object({ step: z.number(), attempt: z.number(), values: z.record(z.string(), z.number()) })),
});
export type Point = z.infer<typeof metrics>["metrics"][number];

/** Every point of every key: runs here are shorter than the most points that the API gives. */
export async function readPoints(client: ApiClient, id: string): Promise<Point[]> {
  return (await client.get(`/anneal/v1/jobs/${id}/metrics?max_points=10000`, metrics)).metrics;
}

const model = z.object({ sha256: z.string(), url: z.string() });

export async function downloadModel(client: ApiClient, id: string): Promise<{ sha256: string; bytes: Uint8Array }> {
  const { sha256, url } = await client.get(`/anneal/v1/jobs/${id}/model`, model);
  const response = await fetch(url);
  if (!response.ok) throw new ApiError("GET", new URL(url).pathname, response.status, await response.text());
  return { sha256, bytes: new Uint8Array(await response.arrayBuffer()) };
}
