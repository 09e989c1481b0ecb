import { beforeAll, describe, expect, it, vi } from "vitest";
import { ECHO, RelayAgent } from "../harness/relay-agent";
import type { RelayedRequest, Reply } from "../harness/frame-agent";
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import { masked } from "./veri-examples";
import type { Id, VeriError } from "./veri-setup";

interface Deployment extends Id {
  status: string;
  name: string;
  endpoint_url: string | null;
  total_requests: number;
}
interface List<T = Deployment> {
  object: string;
  data: T[];
  has_more: boolean;
}

const DEPLOYMENTS = "/v1/deployments";
const REQUEST = {
  model: "anneal/tiny-llama",
  source: "huggingface",
  name: "writer",
  gpu: { gpu_type: "A100-80GB", gpu_count: 1 },
};
const CHAT = { messages: [{ role: "user", content: "say this again" }] };

/** As the companion has it, with our ids. */
const CREATED = `{"id":"dep_ID","object":"deployment","status":"queued","name":"writer","model":"anneal/tiny-llama",
  "source":"huggingface","endpoint_url":null,"gpu":{"type":"A100-80GB","count":1},"provider":null,
  "cost_per_hour_usd":null,"total_cost_usd":0,"total_requests":0,"error":null,"started_at":null,"stopped_at":null,
  "created_at":"TIME","updated_at":"TIME"}`;

/** Servers say more than these APIs have. */
const CHATTY = {
  ...ECHO,
  chat: (request: RelayedRequest): Reply => {
    const reply = ECHO.chat(request);
    return "json" in reply
      ? { ...reply, json: { ...(reply.json as object), prompt_logprobs: null, service_tier: null } }
      : reply;
  },
};

let client: WorkerClient;
let made: Deployment;
let path: string;

beforeAll(async () => {
  client = await newAccountClient();
  const answer = await client.post<Deployment>(DEPLOYMENTS, REQUEST);
  expect([answer.status, masked(answer.body).replaceAll(/"dep_[0-9a-z]+"/g, '"dep_ID"')]).toEqual([
    200,
    JSON.stringify(JSON.parse(CREATED), null, 2),
  ]);
  made = answer.body;
  path = `${DEPLOYMENTS}/${made.id}`;
  await RelayAgent.serve(client, CHATTY);
  // What the agent told its engine's object is in D1 a moment later.
  await vi.waitFor(async () => {
    expect((await got()).status).toBe("serving");
  });
});

const got = async () => (await client.get<Deployment>(path)).body;
const status = async (word: string) => (await client.get<List>(`${DEPLOYMENTS}?status=${word}`)).body.data;
const refused = (body: unknown) => client.post<VeriError>(DEPLOYMENTS, body);

describe("a deployment", () => {
  it("serves when an agent has it, and is listed by its status", async () => {
    const served = await got();
    expect(served).toMatchObject({ status: "serving", endpoint_url: `${path}/chat/completions`, cost_per_hour_usd: 0 });
    expect(await status("serving")).toEqual([served]);
    expect(await status("queued")).toEqual([]);
    expect((await client.get<List>(`${DEPLOYMENTS}?limit=1`)).body).toEqual({
      ...{ object: "list", data: [served], has_more: false },
    });
    expect((await client.get<List>(`${DEPLOYMENTS}?limit=1&after=${made.id}`)).body.data).toEqual([]);
    expect((await client.get(`${DEPLOYMENTS}?status=running`)).status).toBe(400);
  });

  it("answers chats whole and streamed, with the model as it was sent", async () => {
    const whole = await client.post(`${path}/chat/completions`, { ...CHAT, model: "mine" });
    expect([whole.status, whole.body]).toMatchObject([
      200,
      { object: "chat.completion", model: "mine", choices: [{ message: { content: "say this again" } }] },
    ]);
    expect(Object.keys(whole.body as object).sort()).toEqual(["choices", "created", "id", "model", "object", "usage"]);
    const streamed = await client.post<string>(`${path}/chat/completions`, { ...CHAT, stream: true });
    expect(streamed.headers.get("content-type")).toContain("text/event-stream");
    const pieces = streamed.body.split("\n\n").filter((event) => event.startsWith("data: {"));
    const parsed = pieces.map((event) => JSON.parse(event.slice(6)) as { choices: { delta: { content?: string } }[] });
    expect(parsed.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("say this again");
    expect(parsed[0]).toMatchObject({ model: "writer" });
    expect(streamed.body).toContain("data: [DONE]");
  });

  it("tells what it was asked, and how quickly it answered", async () => {
    const { data } = (await client.get<List<Record<string, unknown>>>(`${path}/requests`)).body;
    expect(data.map(({ endpoint, stream, status_code, error }) => [endpoint, stream, status_code, error])).toEqual([
      ["chat", true, 200, null],
      ["chat", false, 200, null],
    ]);
    expect(data[0]).toMatchObject({ object: "deployment_request", prompt_tokens: 3, completion_tokens: 3 });
    const older = await client.get<List>(`${path}/requests?limit=1&after=${String(data[0]?.["id"])}`);
    expect(older.body).toMatchObject({ data: [data[1]], has_more: false });
    expect((await client.get(`${path}/metrics`)).body).toMatchObject({
      ...{ deployment_id: made.id, total_requests: 2, failed_requests: 0, open_requests: 0 },
      ...{ prompt_tokens: 6, completion_tokens: 6, duration_ms: { p50: expect.any(Number), p95: expect.any(Number) } },
    });
    expect((await got()).total_requests).toBe(2);
  });

  it("refuses what it cannot do in the dialect's shape, naming the field", async () => {
    const chat = (body: unknown) => client.post<VeriError>(`${path}/chat/completions`, body);
    for (const [body, param] of [
      [{ ...CHAT, tools: [{}] }, "tools"],
      [{ ...CHAT, n: 2 }, "n"],
      [{}, "messages"],
      [{ ...CHAT, model: "m".repeat(100_000) }, "model"],
      [{ ...CHAT, model: "half \ud800" }, "model"],
    ] as const) {
      const answer = await chat(body);
      expect([answer.status, answer.body.error]).toMatchObject([400, { type: "invalid_request_error", param }]);
    }
    for (const [changes, param] of [
      [{ model: "job_x", source: "huggingface" }, "model"],
      [{ source: "training_job" }, "model"],
      [{ name: "anneal/tiny-llama" }, "name"],
      [{ name: "half \ud800" }, "name"],
      [{ name: "gpuless", gpu: { gpu_type: "K80", gpu_count: 1 } }, "gpu.type"],
      [{ name: "other", provider: "lambda" }, "provider"],
      [{ name: "other", region: "eu" }, "region"],
    ] as const) {
      const answer = await refused({ ...REQUEST, ...changes });
      expect([answer.status, answer.body.error.param]).toEqual([400, param]);
    }
    const unknown = { ...REQUEST, model: "job_01k00000000000000000000000", source: "training_job", name: "x" };
    expect((await refused(unknown)).body.error).toMatchObject({ type: "not_found_error", param: "model" });
    expect((await refused(REQUEST)).status).toBeGreaterThanOrEqual(400);
  });

  it("does not exist for another account", async () => {
    const other = await newAccountClient();
    const answers = [
      other.get(path),
      other.post(`${path}/stop`),
      other.get(`${path}/requests`),
      other.get(`${path}/metrics`),
      other.post(`${path}/chat/completions`, CHAT),
    ];
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404]);
    expect((await other.get<List>(DEPLOYMENTS)).body.data).toEqual([]);
  });

  it("is stopped for good, once and again, and gives its name back", async () => {
    const stopped = await client.post<Deployment>(`${path}/stop`);
    expect([stopped.status, stopped.body]).toMatchObject([
      200,
      { status: "stopped", endpoint_url: null, name: "writer" },
    ]);
    expect((await client.post<Deployment>(`${path}/stop`)).body.status).toBe("stopped");
    expect((await status("stopped")).map(({ id }) => id)).toEqual([made.id]);
    const answer = await client.post<VeriError>(`${path}/chat/completions`, CHAT);
    expect([answer.status, answer.body.error.message]).toMatchObject([400, expect.stringContaining("was stopped")]);
    const again = await client.post<Deployment>(DEPLOYMENTS, REQUEST);
    expect(again.status).toBe(200);
    await client.post(`${DEPLOYMENTS}/${again.body.id}/stop`);
  });
});
