import { beforeAll, describe, expect, it, vi } from "vitest";
import type { z } from "zod";
import {
  deployment,
  engine,
  inferenceMetrics,
  inferenceRequestEntry,
} from "../../worker/dialects/anneal/engine-schema";
import { listOf } from "../../worker/dialects/anneal/schema";
import { RelayAgent } from "../harness/relay-agent";
import { WorkerClient } from "../harness/worker-client";
import { answered, newAccount, refused, send } from "./anneal-client";

const BASE = "/anneal/v1";
const SCHEDULE = {
  kind: "schedule",
  timezone: "Europe/Berlin",
  start_time: "08:00",
  end_time: "18:00",
  days: ["monday"],
};
const CHAT = { messages: [{ role: "user", content: "say this again" }] };

let key: string;
let made: z.infer<typeof engine>;
let writer: z.infer<typeof deployment>;

const post = (path: string, body: object = {}) => send("POST", BASE + path, key, { body });
const get = (path: string) => send("GET", BASE + path, key);

beforeAll(async () => {
  key = (await newAccount()).api_key;
  made = await answered(post("/engines", { base_model: "anneal/tiny-llama", name: "lab", replicas: 1 }), 201, engine);
  const request = { model: "anneal/tiny-llama", name: "writer", description: "writes" };
  writer = await answered(post(`/engines/${made.id}/deployments`, request), 201, deployment);
  await RelayAgent.serve(new WorkerClient(key));
  // What the agent told its engine's object is in D1 a moment later.
  await vi.waitFor(async () => {
    expect((await answered(get(`/deployments/${writer.id}`), 200, deployment)).status).toBe("deployed");
  });
});

describe("an engine", () => {
  it("holds deployments and is shown whole", async () => {
    const now = await answered(get(`/engines/${made.id}`), 200, engine);
    expect(now).toMatchObject({
      ...{ name: "lab", status: "active", task_type: "text-generation", deployments: 1, replicas: 1, run: 1 },
      ...{ management: { kind: "inactive_timeout", seconds: 3600 }, is_serverless: false, problem: null },
    });
    const listed = (query: string) => answered(get(`/engines${query}`), 200, listOf(engine));
    expect(await listed("?status=active&task_type=text-generation")).toEqual({ data: [now], has_more: false });
    expect((await listed("?status=inactive")).data).toEqual([]);
    expect((await listed("?base_model=BERT")).data).toEqual([]);
    expect(await refused(get("/engines?project_id=x"))).toMatchObject({ status: 400, field: "project_id" });
    const [job = ""] = now.job_ids;
    const task = await (await get(`/jobs/${job}`)).json<{ kind: string; spec: { serve: object } }>();
    expect(task).toMatchObject({ kind: "serve", dataset_id: null, spec: { serve: { engine_id: made.id } } });
    expect(await refused(post(`/jobs/${job}/pause`))).toMatchObject({ status: 409, code: "illegal_transition" });
    expect(await refused(post(`/jobs/${job}/retry`))).toMatchObject({ status: 409, code: "illegal_transition" });
    const kinds = await (await get("/jobs?kind=serve")).json<{ data: { id: string }[] }>();
    expect(kinds.data.map(({ id }) => id)).toEqual([job]);
  });

  it("has its rule changed, and refuses one that cannot be, in this API's words", async () => {
    const change = (body: object) => send("PATCH", `${BASE}/engines/${made.id}`, key, { body });
    expect(await answered(change({ management: { kind: "none" } }), 200, engine)).toMatchObject({
      ...{ management: { kind: "none" }, status: "active" },
    });
    expect(await refused(change({ management: { ...SCHEDULE, timezone: "Mars/Olympus" } }))).toMatchObject({
      ...{ status: 400, field: "management.timezone" },
    });
    expect(await refused(change({ management: { kind: "inactive_timeout", seconds: 1e9 } }))).toMatchObject({
      ...{ status: 400, field: "management.seconds" },
    });
    expect(await refused(change({ replicas: 1000 }))).toMatchObject({ status: 400, field: "replicas" });
    const scheduled = { base_model: "anneal/tiny-llama", management: SCHEDULE };
    const other = await answered(post("/engines", scheduled), 201, engine);
    expect(other.management).toEqual(SCHEDULE);
    expect(await (await send("DELETE", `${BASE}/engines/${other.id}`, key)).json()).toEqual({
      ...{ id: other.id, deleted: true },
    });
    expect((await get(`/engines/${other.id}`)).status).toBe(404);
  });
});

describe("a deployment", () => {
  it("is shown, listed by what it is, and refuses a model that is not there", async () => {
    const now = await answered(get(`/deployments/${writer.id}`), 200, deployment);
    expect(now).toMatchObject({
      ...{ name: "writer", description: "writes", status: "deployed", origin: "anneal", engine_id: made.id },
      ...{ job_id: null, checkpoint: 0, labels: null, error: null },
      endpoints: ["chat/completions", "completions"].map((path) => `${BASE}/deployments/${writer.id}/${path}`),
    });
    const listed = (query: string) => answered(get(`/deployments${query}`), 200, listOf(deployment));
    expect(await listed(`?status=deployed&origin=anneal&engine_id=${made.id}`)).toEqual({
      ...{ data: [now], has_more: false },
    });
    expect((await listed("?status=failed")).data).toEqual([]);
    expect((await listed("?origin=veri")).data).toEqual([]);
    const deploy = (body: object) => refused(post("/deployments", body));
    expect(await deploy({ model: "job_01k00000000000000000000000" })).toMatchObject({ status: 404, field: "model" });
    expect(await deploy({ model: "job_x@1@2" })).toMatchObject({ status: 400, field: "model" });
    expect(await deploy({ model: "no model" })).toMatchObject({ status: 400, field: "model" });
    expect(await deploy({ model: "BERT" })).toMatchObject({ status: 400, field: "model" });
    const onLab = (body: object) => refused(post(`/engines/${made.id}/deployments`, body));
    expect(await onLab({ model: "Qwen3-4B-Base" })).toMatchObject({ status: 400, field: "model" });
    expect(await onLab({ model: "anneal/tiny-llama", name: "writer" })).toMatchObject({ code: "conflict" });
    expect(await deploy({ model: "anneal/tiny-llama", gpus: 1 })).toMatchObject({ status: 400, field: "gpus" });
  });

  it("answers by its id and by its name, whole and streamed", async () => {
    for (const name of [writer.id, "writer"]) {
      const answer = await post(`/deployments/${name}/chat/completions`, CHAT);
      expect(await answer.json()).toMatchObject({
        model: "writer",
        choices: [{ message: { content: "say this again" } }],
      });
    }
    const streamed = await post("/deployments/writer/completions", { prompt: "Paris is", stream: true });
    expect(await streamed.text()).toContain("data: [DONE]");
    expect(await refused(post("/deployments/writer/embeddings", { input: "x" }))).toMatchObject({ status: 400 });
    expect(await refused(post("/deployments/nobody/completions", { prompt: "x" }))).toMatchObject({ status: 404 });
    expect(await refused(post("/deployments/writer/completions", { prompt: "x", echo: true }))).toMatchObject({
      ...{ status: 400, field: "echo" },
    });
    const log = await answered(get(`/deployments/${writer.id}/requests?limit=3`), 200, listOf(inferenceRequestEntry));
    expect(log.data.filter(({ status }) => status === 200).map(({ endpoint, stream }) => [endpoint, stream])).toEqual(
      expect.arrayContaining([["completions", true]]),
    );
    const metrics = await answered(get(`/deployments/${writer.id}/metrics`), 200, inferenceMetrics);
    expect(metrics).toMatchObject({ open: 0, failed: 0 });
    expect(metrics.requests).toBeGreaterThanOrEqual(3);
  });

  it("keeps a stored call as a run, under the id of its answer", async () => {
    const body = { ...CHAT, store: true, metadata: { interaction: "Again" }, temperature: 0 };
    const answer = await (await post("/deployments/writer/chat/completions", body)).json<{ id: string }>();
    const run = await send("GET", `/api/v1/runs/${answer.id.replace("chatcmpl-", "")}`, key);
    expect(await run.json()).toMatchObject({
      ...{ status: "completed", modelId: "writer", interaction: { name: "Again" }, finish_reason: "stop" },
      ...{ prompt: [{ role: "user", content: "say this again" }], result: [{ type: "text", value: "say this again" }] },
      ...{ token_use: { prompt: 3, completion: 3, total: 6 }, config: { model_options: { temperature: 0 } } },
    });
  });

  it("is down with its engine, up again with it, and stopped for good", async () => {
    expect(await refused(post(`/deployments/${writer.id}/reactivate`))).toMatchObject({ code: "illegal_transition" });
    expect(await answered(post(`/engines/${made.id}/deactivate`), 200, engine)).toMatchObject({ status: "inactive" });
    expect(await refused(post(`/engines/${made.id}/deactivate`))).toMatchObject({ code: "illegal_transition" });
    expect(await answered(get(`/deployments/${writer.id}`), 200, deployment)).toMatchObject({ status: "deactivated" });
    const up = await answered(post(`/deployments/${writer.id}/reactivate`), 200, deployment);
    expect(up.status).toBe("reactivating");
    expect(await refused(post(`/engines/${made.id}/reactivate`))).toMatchObject({ code: "illegal_transition" });
    const stopped = await answered(post(`/deployments/${writer.id}/stop`), 200, deployment);
    expect(stopped.status).toBe("terminated");
    expect(await refused(post("/deployments/writer/chat/completions", CHAT))).toMatchObject({ status: 404 });
    expect((await send("DELETE", `${BASE}/deployments/${writer.id}`, key)).status).toBe(200);
    expect((await get(`/deployments/${writer.id}`)).status).toBe(404);
  });
});

it("does not exist for another account", async () => {
  const other = (await newAccount()).api_key;
  const paths = [`/engines/${made.id}`, `/deployments/${writer.id}`, `/deployments/${writer.id}/requests`];
  for (const path of paths) expect((await send("GET", BASE + path, other)).status).toBe(404);
  expect((await send("POST", `${BASE}/engines/${made.id}/deactivate`, other, { body: {} })).status).toBe(404);
});
