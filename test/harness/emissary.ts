/** The Emissary API as its clients call it: `X-API-Key`, and each status of a job as it comes by. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

const created = z.object({ id: z.string() });
const TERMINAL = ["Success", "Failed", "TimedOut", "Cancelled"];
const POLL_MS = 250;

export const trainingJob = z.object({
  id: z.string(),
  name: z.string(),
  task_type: z.string(),
  training_technique: z.string(),
  base_model: z.string(),
  base_fine_tuned_model: z.string().optional(),
  base_fine_tuned_model_checkpoint: z.number().optional(),
  status: z.string(),
  progress: z.number(),
  training_loss: z.array(z.object({ timestamp: z.number(), loss: z.number() })),
  hyper_parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type EmissaryJob = z.infer<typeof trainingJob>;

export const checkpoint = z.object({
  checkpoint: z.number(),
  model_download_url: z.string(),
  test_results: z
    .object({ general_test_result: z.string(), aggregated_test_result: z.record(z.string(), z.string()) })
    .optional(),
});
export type EmissaryCheckpoint = z.infer<typeof checkpoint>;

/** A job that has ended, and what it said of itself on the way, each change once. */
export interface Watched {
  job: EmissaryJob;
  statuses: string[];
  progress: number[];
}

export interface EmissaryClient {
  /** Any operation: the path is what follows `/v1`; an answer without a body is null. Throws when it is refused. */
  call<T>(method: string, path: string, shape: z.ZodType<T>, body?: BodyInit | object): Promise<T>;
  project(name: string): Promise<string>;
  upload(project: string, filename: string, text: string): Promise<string>;
  train(project: string, body: object): Promise<string>;
  trainGrpo(project: string, body: object): Promise<string>;
  watch(project: string, job: string, timeoutMs: number, told?: (job: EmissaryJob) => void): Promise<Watched>;
  checkpoints(project: string, job: string): Promise<EmissaryCheckpoint[]>;
}

export function emissaryClient(url: string, apiKey: string): EmissaryClient {
  async function call<T>(method: string, path: string, shape: z.ZodType<T>, body?: BodyInit | object): Promise<T> {
    const isForm = body instanceof FormData;
    const response = await fetch(`${url}/v1${path}`, {
      method,
      headers: { "x-api-key": apiKey, ...(body && !isForm ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: isForm ? body : JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${String(response.status)} ${text}`);
    return shape.parse(text === "" ? null : JSON.parse(text));
  }
  const jobs = (project: string): string => `/projects/${project}/training-jobs`;
  const read = (project: string, job: string): Promise<EmissaryJob> =>
    call("GET", `${jobs(project)}/${job}`, trainingJob);
  return {
    call,
    project: async (name) => (await call("POST", "/projects", created, { name })).id,
    async upload(project, filename, text) {
      const form = new FormData();
      form.set("file", new File([text], filename));
      return (await call("POST", `/projects/${project}/datasets`, created, form)).id;
    },
    train: async (project, body) => (await call("POST", jobs(project), created, body)).id,
    trainGrpo: async (project, body) => (await call("POST", `${jobs(project)}/grpo`, created, body)).id,
    async watch(project, id, timeoutMs, told) {
      const deadlineMs = Date.now() + timeoutMs;
      const [statuses, progress]: [string[], number[]] = [[], []];
      for (;;) {
        const job = await read(project, id);
        if (statuses.at(-1) !== job.status) statuses.push(job.status);
        if (progress.at(-1) !== job.progress) progress.push(job.progress);
        told?.(job);
        if (TERMINAL.includes(job.status)) return { job, statuses, progress };
        if (Date.now() > deadlineMs) throw new Error(`job ${id} is still ${job.status} at ${String(job.progress)} %`);
        await sleep(POLL_MS);
      }
    },
    checkpoints: (project, id) => call("GET", `${jobs(project)}/${id}/checkpoints`, z.array(checkpoint)),
  };
}
