/** Requests for models as the maker's document and OpenAI's clients have them; every answer is held against the contract. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { RelayedRequest, Reply } from "../harness/frame-agent";
import { RelayAgent, ECHO } from "../harness/relay-agent";
import { ask, newAccountClient } from "../harness/worker-client";
import { hasContract, violations } from "./emissary-contract";
import { deploy, trained, type Deployment } from "./emissary-serving";
import { newProject, type EmissaryError, type Id } from "./emissary-setup";

const project = await newProject();
const { client, account } = project;

/** A model of each task, and an agent for each. */
let text: Deployment;
let writer: RelayAgent;
let embedder: RelayAgent;

beforeAll(async () => {
  text = await deploy(project, { training_job_id: "anneal/tiny-llama", checkpoint: 0, name: "writer" });
  writer = await RelayAgent.serve(account, { ...ECHO, chat: (asked) => failure(asked) ?? ECHO.chat(asked) });
  for (const task of ["classification", "regression", "embedding"] as const) {
    const training_job_id = await trained(project, task, `a ${task}`);
    await deploy(project, { training_job_id, checkpoint: 2, name: task });
    embedder = await RelayAgent.serve(account);
  }
}, 20_000);

/** To "fail 429" it does. */
function failure({ body }: RelayedRequest): Reply | null {
  const [status] = /(?<=^fail )\d+$/.exec((body["messages"] as { content: string }[])[0]?.content ?? "") ?? [];
  const error = { message: "the prompt is too long", type: "error", param: "messages", code: null };
  return status === undefined ? null : { status: Number(status), json: { error } };
}

const CHAT = { model: "writer", messages: [{ role: "user", content: "say this again" }] };
const PROMPT = { model: "writer", prompt: "Paris is" };

interface Choices extends Id {
  model: string;
  choices: { message: { content: string }; text: string; finish_reason: string }[];
  usage: Record<string, number>;
}

const chat = <T = Choices>(changes: Record<string, unknown> = {}) =>
  client.post<T>("getChatCompletions", "/v1/chat/completions", { ...CHAT, ...changes });
const complete = <T = Choices>(changes: Record<string, unknown> = {}) =>
  client.post<T>("getCompletionsFromDeployment", "/v1/completions", { ...PROMPT, ...changes });
const embed = <T>(changes: Record<string, unknown>) =>
  client.post<T>("getEmbeddingsFromDeployment", "/v1/embeddings", { model: "embedding", input: "four", ...changes });
const classify = <T>(changes: Record<string, unknown> = {}) =>
  client.post<T>("getClassificationFromDeployment", "/v1/classification", {
    ...{ model: "classification", input: "x" },
    ...changes,
  });
const regress = <T>(changes: Record<string, unknown> = {}) =>
  account.post<T>("/v1/regression", { model: "regression", input: "x", ...changes });

/** What the model server got of the last request. */
const received = () => writer.requests.at(-1)?.body;

function expectRefusal(answer: { status: number; body: EmissaryError }, field: string): void {
  expect([answer.status, answer.body.status], answer.body.error).toEqual([400, 400]);
  expect(Object.keys(answer.body)).toEqual(["status", "error"]);
  expect(answer.body.error.startsWith(field), answer.body.error).toBe(true);
}

describe("a chat", () => {
  it("is answered by the deployment's name and by its id, each with the model as it was sent", async () => {
    for (const model of ["writer", text.id]) {
      const { status, body } = await chat({ model });
      expect([status, body]).toEqual([
        200,
        {
          id: expect.stringMatching(/^chatcmpl-[0-9a-z]{26}$/),
          object: "chat.completion",
          created: expect.any(Number),
          model,
          choices: [
            {
              index: 0,
              message: { role: "assistant", content: "say this again", refusal: null },
              finish_reason: "stop",
            },
          ],
          usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
        },
      ]);
    }
  });

  it("is streamed as server-sent events, to their end", async () => {
    const { status, headers, body } = await account.post<string>("/v1/chat/completions", { ...CHAT, stream: true });
    expect([status, headers.get("content-type")]).toEqual([200, expect.stringContaining("text/event-stream")]);
    const events = body.split("\n\n").filter((event) => event.startsWith("data: "));
    expect(events.at(-1)).toBe("data: [DONE]");
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice(6)) as Record<string, unknown>);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks[0]).toMatchObject({ object: "chat.completion.chunk", model: "writer" });
    const said = chunks.flatMap((chunk) => (chunk["choices"] as { delta: { content?: string } }[])[0]?.delta.content);
    expect(said.join("")).toBe("say this again");
  });

  it("is understood however OpenAI's clients put it", async () => {
    const part = (words: string) => ({ type: "text", text: words });
    await chat({
      messages: [
        { role: "developer", content: "be brief" },
        { role: "user", content: [part("one"), part("two")], name: "somebody" },
        { role: "assistant", content: "three", refusal: null, tool_calls: null, function_call: null },
        { role: "user", content: "four" },
      ],
      ...{ max_completion_tokens: 7, temperature: 0, top_p: 0.5, top_k: 3, min_p: 0.1, seed: 2 ** 60, stop: "x" },
      ...{ frequency_penalty: -1, presence_penalty: 1, repetition_penalty: 1.5 },
      // What only describes the caller, asks for nothing, or is nobody's field.
      ...{ user: "u", service_tier: "auto", metadata: { a: "b" }, parallel_tool_calls: true, reasoning_effort: "low" },
      ...{ n: 1, tools: [], tool_choice: "none", logprobs: false, top_logprobs: 0, logit_bias: {}, store: false },
      ...{ response_format: { type: "text" }, modalities: ["text"], audio: null, stream: false, foo: { bar: 1 } },
    });
    expect(received()).toEqual({
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "one\ntwo" },
        { role: "assistant", content: "three" },
        { role: "user", content: "four" },
      ],
      ...{ max_tokens: 7, temperature: 0, top_p: 0.5, top_k: 3, min_p: 0.1, seed: 2 ** 60, stop: ["x"] },
      ...{ frequency_penalty: -1, presence_penalty: 1, repetition_penalty: 1.5 },
    });
    await chat({ ...{ max_tokens: 9, max_completion_tokens: 9, top_k: -1, stop: ["a", "b"], temperature: null } });
    expect(received()).toEqual({ messages: CHAT.messages, max_tokens: 9, stop: ["a", "b"] });
  });

  it.each<[string, Record<string, unknown>]>([
    ["messages", { messages: undefined }],
    ["messages", { messages: [] }],
    ["messages.0.role", { messages: [{ role: "tool", content: "x" }] }],
    ["messages.0.content", { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }],
    ["messages.0.content", { messages: [{ role: "user", content: "\ud800" }] }],
    ["messages.1.tool_calls", { messages: [CHAT.messages[0], { role: "assistant", content: "", tool_calls: [{}] }] }],
    ["model", { model: undefined }],
    ["model", { model: 5 }],
    ["n", { n: 2 }],
    ["temperature", { temperature: 2.5 }],
    ["temperature", { temperature: "hot" }],
    ["top_p", { top_p: 0 }],
    ["top_k", { top_k: 1.5 }],
    ["max_tokens", { max_tokens: 0 }],
    ["max_completion_tokens", { max_completion_tokens: -1 }],
    ["max_tokens", { max_tokens: 5, max_completion_tokens: 6 }],
    ["stop", { stop: [""] }],
    ["stop", { stop: Array.from({ length: 17 }, String) }],
    ["seed", { seed: 0.5 }],
    ["seed", { seed: 2 ** 63 }],
    ["stream", { stream: "yes" }],
    ["stream_options", { stream_options: { include_usage: true } }],
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    ["tool_choice", { tool_choice: "required" }],
    ["functions", { functions: [{ name: "f" }] }],
    ["response_format", { response_format: { type: "json_object" } }],
    ["logprobs", { logprobs: true }],
    ["logit_bias", { logit_bias: { 5: 1 } }],
    ["modalities", { modalities: ["text", "audio"] }],
    ["max_new_tokens", { max_new_tokens: 5 }],
    ["do_sample", { do_sample: false }],
    ["add_generation_prompt", { add_generation_prompt: false }],
    ["metadata.interaction", { store: true, metadata: { interaction: 5 } }],
  ])("is refused for its %s", async (field, changes) => {
    const before = writer.requests.length;
    expectRefusal(await chat<EmissaryError>(changes), field);
    expect(writer.requests.length).toBe(before);
  });
});

describe("a completion", () => {
  it("has the maker's shape, and 16 tokens where nothing is said", async () => {
    const { status, body } = await complete();
    expect([status, body]).toEqual([
      200,
      {
        id: expect.stringMatching(/^cmpl-/),
        object: "text_completion",
        created: expect.any(Number),
        model: "writer",
        choices: [{ index: 0, text: "Paris is", logprobs: null, finish_reason: "stop" }],
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      },
    ]);
    expect(received()).toEqual({ prompt: "Paris is", max_tokens: 16 });
    await complete({ prompt: ["one"], max_completion_tokens: 500, best_of: 1, echo: false, suffix: null });
    expect(received()).toEqual({ prompt: "one", max_tokens: 500 });
  });

  it("says its usage at the end of a stream that asks for it", async () => {
    const body = { ...PROMPT, stream: true, stream_options: { include_usage: true } };
    expect((await account.post<string>("/v1/completions", body)).body).toMatch(/data: \[DONE\]\n\n$/);
    expect(received()).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it.each<[string, Record<string, unknown>]>([
    ["prompt", { prompt: undefined }],
    ["prompt", { prompt: ["one", "two"] }],
    ["prompt", { prompt: [1, 2, 3] }],
    ["best_of", { best_of: 2 }],
    ["suffix", { suffix: "after" }],
    ["echo", { echo: true }],
    ["logprobs", { logprobs: 0 }],
  ])("is refused for its %s", async (field, changes) => {
    expectRefusal(await complete<EmissaryError>(changes), field);
  });
});

describe("embeddings", () => {
  it("with a target are the maker's: both, and the measures that are asked for", async () => {
    const { body } = await embed<{ id: string; response: Record<string, unknown> }>({ target: "seventh" });
    const [input, target] = [
      [4, 1, 0.5],
      [7, 1, 0.5],
    ];
    const cosine = (28 + 1.25) / Math.sqrt((16 + 1.25) * (49 + 1.25));
    expect(body).toEqual({
      id: expect.stringMatching(/^rq-/),
      response: { input_embedding: input, target_embedding: target, cosine_score: expect.closeTo(cosine, 12) },
    });
    const all = { target: "seventh", cosine: false, manhattan: true, euclidean: true, encoding_format: "base64" };
    expect((await embed<{ response: unknown }>(all)).body.response).toEqual({
      ...{ input_embedding: input, target_embedding: target, manhattan_distance: 3, euclidean_distance: 3 },
    });
  });

  it("without one are OpenAI's list, as numbers and as base64, of one text and of many", async () => {
    const answers = async (changes: Record<string, unknown>) => {
      const { body } = await account.post<{ data: { embedding: unknown }[] }>("/v1/embeddings", {
        ...{ model: "embedding", ...changes },
      });
      return body;
    };
    expect(await answers({ input: "four" })).toEqual({
      object: "list",
      data: [{ object: "embedding", index: 0, embedding: [4, 1, 0.5] }],
      model: "embedding",
      usage: { prompt_tokens: 1, total_tokens: 1 },
    });
    const { data } = await answers({ input: ["one", "three"], encoding_format: "base64", dimensions: 3 });
    const numbers = data.map(({ embedding }) => [
      ...new Float32Array(Uint8Array.from(Buffer.from(embedding as string, "base64")).buffer),
    ]);
    expect(numbers).toEqual([
      [3, 1, 0.5],
      [5, 1, 0.5],
    ]);
    expect(embedder.requests.at(-1)?.body).toEqual({
      ...{ input: ["one", "three"], encoding_format: "base64", dimensions: 3 },
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ["input", { input: [] }],
    ["input", { input: [[1, 2]] }],
    ["input", { input: ["a", "b"], target: "c" }],
    ["cosine", { cosine: true }],
    ["encoding_format", { encoding_format: "int8" }],
    ["dimensions", { dimensions: 0 }],
    ["stream", { stream: true }],
    ["store", { store: true }],
    ["model", { model: "writer" }],
  ])("are refused for their %s", async (field, changes) => {
    expectRefusal(await embed<EmissaryError>(changes), field);
  });
});

describe("scores", () => {
  it("of a classifier are logits, or probabilities where those are asked for", async () => {
    const usage = { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 };
    const head = { id: expect.stringMatching(/^classify-/), model: "classification", usage };
    const logits = { ...head, data: [{ index: 0, logits: { no: -1, yes: 1 } }] };
    expect((await classify()).body).toEqual(logits);
    expect((await classify({ data_format: "logits" })).body).toEqual(logits);
    expect((await classify({ data_format: "probs" })).body).toEqual({
      ...{ ...head, data: [{ index: 0, probs: { no: 0.25, yes: 0.75 } }] },
    });
    expectRefusal(await classify<EmissaryError>({ data_format: "odds" }), "data_format");
    expectRefusal(await classify<EmissaryError>({ input: ["x"] }), "input");
    expectRefusal(await chat<EmissaryError>({ model: "classification" }), "model");
  });

  it("of a regression are a number", async () => {
    expect((await regress()).body).toEqual({
      id: expect.stringMatching(/^regress-/),
      model: "regression",
      data: [{ index: 0, value: 0.5 }],
      usage: { prompt_tokens: 3, completion_tokens: 0, total_tokens: 3 },
    });
    expectRefusal(await regress<EmissaryError>({ input: 5 }), "input");
  });
});

describe("whoever asks", () => {
  it("needs a key that may write, and is told apart from everybody else", async () => {
    const send = (key: string | null, body: object = CHAT) =>
      ask<EmissaryError>("/v1/chat/completions", {
        method: "POST",
        headers: { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
        body: JSON.stringify(body),
      });
    expect((await send(null)).status).toBe(401);
    expect((await send("sk-wrong")).status).toBe(401);
    const reader = await account.post<{ key: string }>("/anneal/v1/keys", { name: "reader", scopes: ["read"] });
    expect(reader.status, JSON.stringify(reader.body)).toBe(201);
    expect((await send(reader.body.key)).status).toBe(403);
    const other = await newAccountClient();
    for (const model of ["writer", text.id, "no-such-model", `dp-${"0".repeat(26)}`, `dep_${text.id.slice(3)}`]) {
      const { status, body } = await send(other.apiKey, { ...CHAT, model });
      expect([status, body]).toEqual([
        404,
        { status: 404, error: expect.stringMatching(/^model: /), code: "object_not_found" },
      ]);
      if (hasContract) expect(violations("getChatCompletions", 404, body)).toEqual([]);
    }
  });

  it("is told what the model server refuses, and when to come again", async () => {
    const failing = (status: number) =>
      chat<EmissaryError>({ messages: [{ role: "user", content: `fail ${status}` }] });
    expectRefusal(await failing(400), "messages: the prompt is too long");
    const full = await failing(429);
    expect([full.status, full.headers.get("retry-after")]).toEqual([429, "1"]);
    expect((await failing(500)).status).toBe(500);
  });

  it("may send 8 MiB and no more", async () => {
    const words = "x".repeat(8 * 1024 * 1024);
    const answer = await account.post<EmissaryError>("/v1/completions", { model: "writer", prompt: words });
    expect([answer.status, answer.body.error]).toEqual([413, expect.stringContaining("8 MiB")]);
  });

  it("finds a call that is to be stored among the project's runs", async () => {
    const { body } = await chat({ store: true, metadata: { interaction: "asked by a test" } });
    expect(writer.requests.at(-1)?.open).toMatchObject({ wants_output: true });
    const run = `/api/v1/runs/${body.id.slice("chatcmpl-".length)}`;
    const kept = await vi.waitFor(async () => {
      const answer = await account.get<{ interaction: { name: string }; modelId: string }>(run);
      expect(answer.status).toBe(200);
      return answer.body;
    });
    expect(JSON.stringify(kept)).toContain("asked by a test");
  });
});
