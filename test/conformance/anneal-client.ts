/** The native dialect and the agent protocol as their clients speak them: over HTTP, against the real worker. */
import { exports } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { z } from "zod";
import { beginCheckpointResponse, lease, registerResponse, type DataItem, type Lease } from "../../protocol";

export const ORIGIN = "http://anneal.test";
const ADMIN_TOKEN = "test-admin-token-of-at-least-32-bytes";

export interface Sent {
  body?: unknown;
  raw?: BodyInit;
  headers?: Record<string, string>;
}

export async function send(method: string, path: string, key: string | null, sent: Sent = {}): Promise<Response> {
  const url = path.startsWith("http") ? path : `${ORIGIN}${path}`;
  return exports.default.fetch(url, {
    method,
    body: sent.body === undefined ? sent.raw : JSON.stringify(sent.body),
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(sent.body === undefined ? {} : { "content-type": "application/json" }),
      ...sent.headers,
    },
  });
}

/** The answer has this status and these keys: not one more or fewer than its schema says. */
export async function answered<T>(
  response: Response | Promise<Response>,
  status: number,
  shape: z.ZodType<T>,
): Promise<T> {
  const got = await response;
  const text = await got.text();
  expect([got.status, text]).toEqual([status, text]);
  const body: unknown = JSON.parse(text);
  expect(shape.parse(body)).toEqual(body);
  return shape.parse(body);
}

/** What was refused: status, and the native error without its request id. */
export async function refused(response: Response | Promise<Response>): Promise<Record<string, unknown>> {
  const got = await response;
  const { error } = await got.json<{ error: Record<string, unknown> }>();
  expect(error["request_id"]).toBe(got.headers.get("x-request-id"));
  return { status: got.status, ...Object.fromEntries(Object.entries(error).filter(([name]) => name !== "request_id")) };
}

/** The bytes behind a signed URL, as text. */
export async function downloaded(url: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  const answer = await send("GET", url, null, { headers });
  return [answer.status, new TextDecoder().decode(await answer.arrayBuffer())];
}

export interface Account {
  account_id: string;
  project_id: string;
  api_key: string;
}

export const admin = (method: string, path: string, body?: unknown): Promise<Response> =>
  send(method, path, ADMIN_TOKEN, { body });

export async function newAccount(name = "test"): Promise<Account> {
  return (await admin("POST", "/admin/v1/accounts", { name })).json<Account>();
}

const id = async (response: Promise<Response>): Promise<string> => {
  const got = await response;
  expect(got.status).toBe(201);
  return (await got.json<{ id: string }>()).id;
};

export const PROMPTS = [1, 2, 3, 4]
  .map((n) => JSON.stringify({ prompt: `${String(n)} + 1 =`, answer: n + 1 }))
  .join("\n");
export const REWARD = "def reward(completions, answer=None, **kwargs):\n    return [0.0 for _ in completions]\n";

export function newDataset(key: string, rows = PROMPTS): Promise<string> {
  return id(send("POST", "/anneal/v1/datasets?name=prompts", key, { raw: rows }));
}

export function newFunction(key: string): Promise<string> {
  const body = { name: "exact", format: "trl", source: REWARD };
  return id(send("POST", "/anneal/v1/functions", key, { body }));
}

export async function grpoRequest(key: string): Promise<Record<string, unknown>> {
  return {
    method: "grpo",
    base_model: "anneal/tiny-llama",
    dataset_id: await newDataset(key),
    functions: [{ id: await newFunction(key) }],
    output_name: "adder",
    gpu: { type: "L4-24GB", count: 1 },
  };
}

export async function newJob(key: string): Promise<string> {
  return id(send("POST", "/anneal/v1/jobs", key, { body: await grpoRequest(key) }));
}

/** An agent with one L4, registered by a bootstrap token of the account. */
export async function newAgent(key: string): Promise<{ agentId: string; token: string }> {
  const made = await send("POST", "/anneal/v1/agent_tokens", key, { body: {} });
  const { token } = await made.json<{ token: string }>();
  const answer = await send("POST", "/agent/v1/register", token, {
    body: {
      protocol: 1,
      nonce: crypto.randomUUID(),
      name: "bench",
      agent_version: "0.1.0",
      gpus: [{ name: "NVIDIA L4", memory_bytes: 24 * 2 ** 30 }],
      cpu_count: 2,
      memory_bytes: 8 * 2 ** 30,
      driver: "580",
      cuda_probe: { ok: true, detail: "" },
      isolation: { level: 1, detail: "" },
      slots: [SLOT],
    },
  });
  const { agent_id: agentId, agent_token: agentToken } = registerResponse.parse(await answer.json());
  return { agentId, token: agentToken };
}

const SLOT = { id: "gpu0", kind: "gpu", gpus: [0] };

export async function claim(token: string): Promise<Lease> {
  const body = { claim_id: crypto.randomUUID(), free_slots: [SLOT], wait_ms: 0 };
  const answer = await send("POST", "/agent/v1/leases", token, { body });
  expect(answer.status).toBe(200);
  return lease.parse(await answer.json());
}

export const started = (ts_ms: number): DataItem => ({
  ...{ type: "started", ts_ms, total_steps: 2, resumed_from_step: 0, world_size: 1, device: "cuda" },
  versions: {},
});

const digest = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes);

/** Uploads one small file as the final checkpoint and commits it; its SHA-256. */
export async function commitFinal(token: string, held: Lease, bytes: Uint8Array): Promise<string> {
  const base = `/agent/v1/leases/${held.lease_id}/checkpoints`;
  const file = { role: "model" as const, path: "model.tar.gz", size: bytes.byteLength };
  const begin = await send("POST", `${base}/begin`, token, { body: { kind: "final", step: 2, files: [file] } });
  const begun = beginCheckpointResponse.parse(await begin.json());
  const [upload] = begun.files;
  const part = upload?.parts[0];
  if (!upload || !part) throw new Error("no part to upload");
  const md5 = digest("md5", bytes);
  const put = await send("PUT", part.url, null, {
    raw: new Blob([bytes]),
    headers: { ...part.headers, "content-md5": md5.copy().digest("base64") },
  });
  const { etag } = await put.json<{ etag: string }>();
  const sha256 = digest("sha256", bytes).digest("hex");
  const parts = [{ number: 1, size: bytes.byteLength, md5: md5.digest("hex"), etag }];
  const commit = await send("POST", `${base}/commit`, token, {
    body: {
      ...{ checkpoint_id: begun.checkpoint_id, kind: "final", step: 2, epoch: 1, world_size: 1, torch_threads: 1 },
      versions: {},
      files: [{ ...file, sha256, upload: upload.upload, parts }],
    },
  });
  expect(commit.status).toBe(200);
  return sha256;
}
