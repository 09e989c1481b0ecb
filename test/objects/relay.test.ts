/** Requests from the worker's entry to an agent's socket and back, through the engine's own object. */
import { evictDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { beforeAll, expect, it } from "vitest";
import type { RelayedRequest, Reply } from "../harness/frame-agent";
import { ECHO, RelayAgent } from "../harness/relay-agent";
import { newAccountClient, WORKER_URL, type WorkerClient } from "../harness/worker-client";

interface Deployment {
  id: string;
  name: string;
  engine_id: string;
  status: string;
}

let client: WorkerClient;
let agent: RelayAgent;
let deployment: Deployment;

/** Asked to, it says one thing and then waits for ever. */
const handlers = {
  ...ECHO,
  chat: (request: RelayedRequest): Reply => {
    const messages = request.body["messages"] as { content: string }[];
    if (messages[0]?.content !== "wait") return ECHO.chat(request);
    async function* pieces() {
      yield { id: "x", choices: [{ index: 0, delta: { content: "first" } }] };
      await request.gone;
    }
    return { events: pieces() };
  },
};

const path = (rest = "") => `/anneal/v1/deployments/${deployment.id}${rest}`;
const chat = (content: string, stream = true): Promise<Response> =>
  exports.default.fetch(
    new Request(new URL(path("/chat/completions"), WORKER_URL), {
      method: "POST",
      headers: { authorization: `Bearer ${client.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ messages: [{ role: "user", content }], stream }),
    }),
  );

const said = (text: string): string =>
  text
    .split("\n\n")
    .filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)) as { choices?: { delta: { content?: string } }[] })
    .map(({ choices }) => choices?.[0]?.delta.content ?? "")
    .join("");

const until = async (what: () => Promise<boolean> | boolean): Promise<void> => {
  for (let n = 0; n < 5000; n++) {
    if (await what()) return;
    await scheduler.wait(0);
  }
  throw new Error("it never came to that");
};

beforeAll(async () => {
  client = await newAccountClient();
  const made = await client.post<Deployment>("/anneal/v1/deployments", { name: "mine", model: "anneal/tiny-llama" });
  expect(made.status).toBe(201);
  deployment = made.body;
});

it("a request waits for an engine that is on its way", async () => {
  const answer = chat("the model is up", false);
  agent = await RelayAgent.serve(client, handlers);
  const response = await answer;
  const body = await response.json();
  expect(body).toMatchObject({ choices: [{ message: { content: "the model is up" } }] });
  await until(async () => (await client.get<Deployment>(path())).body.status === "deployed");
});

it("64 streams at once have each their own answer, from first to last", async () => {
  const texts = Array.from({ length: 64 }, (_, n) => `${String(n)} ${"word ".repeat(5)}${String(n)}`);
  const answers = await Promise.all(texts.map(async (text) => (await chat(text)).text()));
  expect(answers.map(said)).toEqual(texts);
  for (const answer of answers) expect(answer.endsWith("data: [DONE]\n\n")).toBe(true);
  // As many requests as that, each with its key's look-up, on two cores that others use too.
}, 20_000);

it("a socket that drops ends its streams with an event, and the next request is answered over another", async () => {
  const cut = (await chat("wait")).text();
  await until(() => agent.frames.streams.size > 0);
  agent.frames.drop();
  const text = await cut;
  expect(said(text)).toBe("first");
  expect(text).toContain('"code":"agent_lost"');
  const waiting = chat("again", false);
  await agent.connect();
  expect(await (await waiting).json()).toMatchObject({ choices: [{ message: { content: "again" } }] });
});

it("an eviction between two requests is not seen by anybody", async () => {
  await evictDurableObject(env.ENGINE.getByName(`engine:${agent.engineId}:0`));
  expect(said(await (await chat("still here")).text())).toBe("still here");
  expect(agent.frames.messagesIn).toBeGreaterThan(0);
});

it("each request is in the log, newest first, and in the deployment's sums", async () => {
  interface Entry {
    id: string;
    status: number;
    stream: boolean;
    error: string | null;
    first_byte_ms: number | null;
  }
  const all = async () => (await client.get<{ data: Entry[] }>(path("/requests?limit=100"))).body.data;
  await until(async () => (await all()).length === 68);
  const entries = await all();
  expect(entries.filter(({ error }) => error !== null)).toMatchObject([
    { status: 200, stream: true, first_byte_ms: expect.any(Number) as number },
  ]);
  const metrics = (await client.get<Record<string, number>>(path("/metrics"))).body;
  expect(metrics).toMatchObject({ requests: 68, failed: 1 });
});
