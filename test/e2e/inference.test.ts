/**
 * Trained models served by a real agent and its real model server, asked by the official OpenAI clients for Node and Python
 * as they are, and beside it by transformers alone on the downloaded archives. Then the agent dies in mid-stream.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import OpenAI, { APIError, AuthenticationError, BadRequestError, NotFoundError } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { download } from "../../scripts/demo/model";
import { root } from "../../scripts/env";
import { run } from "../../scripts/processes";
import { pip, preparePython, venv } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { emissaryClient, type EmissaryClient } from "../harness/emissary";
import { jsonLines, waitFor } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const here = path.join(root, "test", "e2e");
const requirements = path.join(here, "openai-requirements.txt");
const LEASE_MS = 5_000;
const END_MS = 180_000;
const MAX_TOKENS = 12;
const PROMPTS = ["3+4=", "12+7=", "hello"];
const MESSAGES = [
  { role: "system" as const, content: "You add." },
  { role: "user" as const, content: "3+4=" },
];
const COLOURS = ["red", "green", "blue"];
const sentence = (n: number): string => `number ${String(n)} is ${COLOURS[n % 3] ?? ""}`;
const TEXTS = [sentence(1), sentence(2), "nothing of the kind"];
/** Untrained, it goes on and on: a stream to be cut. */
const BASE = "anneal/tiny-llama";

const scores = z.record(z.string(), z.number());
const generated = z.object({ completions: z.array(z.string()), chat: z.string() });
const alone = z.object({
  classified: z.array(z.object({ logits: scores, probs: scores })),
  tuned: generated,
  base: generated,
});

let workDir: string;
let python: string;
let plane: TestPlane;
let account: TestAccount;
let agents: AgentProcess[] = [];
let emissary: EmissaryClient;
let openai: OpenAI;
let project: string;
let direct: z.infer<typeof alone>;

beforeAll(async () => {
  python = await preparePython();
  workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-inference-"));
  plane = await startPlane({ heartbeatMs: 500, leaseMs: LEASE_MS, resumeIntervalMs: 600_000 });
  account = await plane.account("inference");
  newAgent("first");
  emissary = emissaryClient(plane.url, account.api_key);
  openai = new OpenAI({ baseURL: `${plane.url}/v1`, apiKey: account.api_key, maxRetries: 0, timeout: 120_000 });
  project = await emissary.project("served");
  const [colours, sums] = await train();
  await Promise.all([
    deploy({ training_job_id: colours, checkpoint: 1, name: "colours" }),
    deploy({ training_job_id: sums, checkpoint: 1, name: "sums" }),
  ]);
  direct = await askAlone(await fetchModel("colours", colours), await fetchModel("sums", sums));
}, 300_000);

afterAll(async () => {
  for (const agent of agents) await agent.dispose();
  agents = [];
  await plane.close();
  rmSync(workDir, { recursive: true, force: true });
});

function newAgent(name: string): AgentProcess {
  const agent = startAgent({ url: plane.url, token: account.agentToken, name });
  agents.push(agent);
  return agent;
}

/** A classifier and a language model, an epoch each. */
async function train(): Promise<[string, string]> {
  const small = { per_device_train_batch_size: 8, gradient_accumulation_steps: 1, num_train_epochs: 1 };
  const rows = Array.from({ length: 60 }, (_, n) => `${sentence(n)},${COLOURS[n % 3] ?? ""}\n`).join("");
  const sums = Array.from({ length: 80 }, (_, n) => ({ prompt: `${String(n)}+1=`, completion: String(n + 1) }));
  const ids = [
    await emissary.train(project, {
      name: "colours",
      base_model: "anneal/tiny-bert",
      train_dataset_id: await emissary.upload(project, "colours.csv", `input,expected_output\n${rows}`),
      task_type: "classification",
      parameters: { ...small, learning_rate: 0.003 },
    }),
    await emissary.train(project, {
      name: "sums",
      base_model: BASE,
      train_dataset_id: await emissary.upload(project, "sums.jsonl", jsonLines(sums)),
      task_type: "text-generation",
      parameters: { ...small, learning_rate: 0.003 },
    }),
  ] as const;
  for (const id of ids) {
    const { job } = await emissary.watch(project, id, END_MS);
    expect(job.status, agents[0]?.log()).toBe("Success");
  }
  return [ids[0], ids[1]];
}

const created = z.object({ id: z.string() });

async function deploy(body: object): Promise<string> {
  return (await emissary.call("POST", `/projects/${project}/deployments`, created, body)).id;
}

/** The checkpoint's archive as anyone downloads it, unpacked. */
async function fetchModel(name: string, job: string): Promise<string> {
  const [checkpoint] = await emissary.checkpoints(project, job);
  const [archive, dir] = [path.join(workDir, `${name}.tar.gz`), path.join(workDir, name)];
  await download(checkpoint?.model_download_url ?? "", archive);
  mkdirSync(dir);
  const tar = await run("tar", ["-xzf", archive, "-C", dir]);
  expect(tar.code, tar.stderr).toBe(0);
  return dir;
}

async function askAlone(classifier: string, languageModel: string): Promise<z.infer<typeof alone>> {
  const asked = {
    classifier,
    texts: TEXTS,
    language_model: languageModel,
    prompts: PROMPTS,
    messages: MESSAGES,
    max_new_tokens: MAX_TOKENS,
    base_dir: path.join(workDir, "base"),
  };
  const args = [path.join(here, "inference-direct.py"), JSON.stringify(asked)];
  const outcome = await run(python, args, { env: { PYTHONPATH: path.join(root, "agent", "trainer") } });
  expect(outcome.code, outcome.stderr).toBe(0);
  return alone.parse(JSON.parse(outcome.stdout.trim().split("\n").at(-1) ?? ""));
}

const GREEDY = { temperature: 0, max_tokens: MAX_TOKENS };

describe("what is served is what was trained", () => {
  const classified = (kind: "logits" | "probs") =>
    z.object({ id: z.string(), model: z.literal("colours"), data: z.tuple([z.object({ [kind]: scores })]) });

  it("a classifier's logits and probabilities are those of its archive loaded directly", async () => {
    for (const [index, input] of TEXTS.entries()) {
      for (const kind of ["logits", "probs"] as const) {
        const format = kind === "logits" ? {} : { data_format: "probs" };
        const body = { model: "colours", input, ...format };
        const { data } = await emissary.call("POST", "/classification", classified(kind), body);
        const expected = direct.classified[index]?.[kind] ?? {};
        const found = data[0][kind] ?? {};
        expect(Object.keys(found).sort()).toEqual(Object.keys(expected).sort());
        for (const [label, value] of Object.entries(expected)) {
          expect(Math.abs((found[label] ?? NaN) - value), `${input}: ${label}`).toBeLessThan(1e-5);
        }
      }
    }
  });

  it("greedy completions and chat are, token for token, those of the archive and of the base model", async () => {
    for (const [model, expected] of [["sums", direct.tuned] as const, [BASE, direct.base] as const]) {
      const answers = await Promise.all(
        PROMPTS.map((prompt) => openai.completions.create({ model, prompt, ...GREEDY })),
      );
      expect(answers.map(({ choices }) => choices[0]?.text)).toEqual(expected.completions);
      const chat = await openai.chat.completions.create({ model, messages: MESSAGES, ...GREEDY });
      expect(chat.choices[0]?.message.content).toBe(expected.chat);
    }
  });
});

describe("the official client for Node", () => {
  it("chats, streams, completes; usage is counted; ids and names are Anneal's", async () => {
    const chat = await openai.chat.completions.create({ model: "sums", messages: MESSAGES, ...GREEDY });
    expect(chat).toMatchObject({
      object: "chat.completion",
      model: "sums",
      usage: { prompt_tokens: expect.any(Number) },
    });
    expect(chat.id).toMatch(/^chatcmpl-/);
    const stream = await openai.chat.completions.create({
      model: "sums",
      messages: MESSAGES,
      ...GREEDY,
      stream: true,
      stream_options: { include_usage: true },
    });
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    expect(pieces.map((piece) => piece.choices[0]?.delta.content ?? "").join("")).toBe(
      chat.choices[0]?.message.content,
    );
    expect(new Set(pieces.map(({ id, model, object }) => `${id} ${model} ${object}`)).size).toBe(1);
    expect(pieces[0]).toMatchObject({ model: "sums", object: "chat.completion.chunk" });
    expect(pieces.at(-1)?.usage).toMatchObject(chat.usage ?? {});
    expect(chat.usage?.total_tokens).toBe((chat.usage?.prompt_tokens ?? 0) + (chat.usage?.completion_tokens ?? 0));
    const text = await openai.completions.create({ model: "sums", prompt: "1+1=", ...GREEDY, stop: "=" });
    expect(text).toMatchObject({ object: "text_completion", model: "sums" });
  });

  it("embeds, by base64 as it asks by itself and by float", async () => {
    const model = await embedder();
    const input = ["a first text", "another one"];
    const coded = await openai.embeddings.create({ model, input });
    const plain = await openai.embeddings.create({ model, input, encoding_format: "float" });
    expect(coded.data.map(({ index }) => index)).toEqual([0, 1]);
    expect(coded.data[0]?.embedding.length).toBeGreaterThan(16);
    for (const [at, { embedding }] of plain.data.entries()) {
      expect(embedding.map(Math.fround)).toEqual(coded.data[at]?.embedding.map(Math.fround));
    }
    const pair = await emissary.call("POST", "/embeddings", similarity, { model, input: input[0], target: input[0] });
    expect(pair.response.cosine_score).toBeCloseTo(1, 5);
  });

  it("raises typed errors", async () => {
    const ask = (client: OpenAI, body: object) =>
      client.completions.create({ model: "sums", prompt: "x", ...body }).then(
        () => null,
        (error: unknown) => error,
      );
    expect(await ask(openai, { model: "there-is-none" })).toBeInstanceOf(NotFoundError);
    expect(await ask(openai, { n: 2 })).toBeInstanceOf(BadRequestError);
    expect(await ask(openai, { logit_bias: { "1": 100 } })).toMatchObject({ status: 400, message: /logit_bias/ });
    expect(await ask(openai, { model: "colours" })).toBeInstanceOf(BadRequestError);
    expect(await ask(openai.withOptions({ apiKey: `sk-${"0".repeat(40)}` }), {})).toBeInstanceOf(AuthenticationError);
  });

  it("leaves in mid-stream, and its request ends on the agent too", async () => {
    const long = { model: BASE, prompt: "on and on", temperature: 0, max_tokens: 3_000 };
    const stream = await openai.completions.create({ ...long, stream: true });
    for await (const piece of stream) if ((piece.choices[0]?.text ?? "") !== "") break;
    expect(stream.controller.signal.aborted).toBe(true);
    await waitFor("the end of the request that its client has left", 20_000, async () => {
      const log = await requestsOf(BASE);
      return log.some(({ status }) => status === 499) ? true : null;
    });
  });
});

const similarity = z.object({ response: z.object({ cosine_score: z.number() }) });
const deployments = z.object({ data: z.array(z.object({ id: z.string(), name: z.string(), engine_id: z.string() })) });
const requestLog = z.object({ data: z.array(z.object({ status: z.number() })) });

/** A deployment by its name, in the native dialect, which shows all of it. */
async function deployment(name: string): Promise<{ id: string; engine_id: string }> {
  const { data } = await account.client.get("/anneal/v1/deployments?limit=100", deployments);
  const found = data.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no deployment ${name} among ${JSON.stringify(data)}`);
  return found;
}

async function requestsOf(name: string): Promise<z.infer<typeof requestLog>["data"]> {
  const { id } = await deployment(name);
  return (await account.client.get(`/anneal/v1/deployments/${id}/requests?limit=100`, requestLog)).data;
}

let embedding: Promise<string> | undefined;
/** The tiny encoder as an embedder, without training. */
function embedder(): Promise<string> {
  const make = async (): Promise<string> => {
    const engine = { base_model: "anneal/tiny-bert", task_type: "embedding", name: "embedder" };
    const { id } = await account.client.post("/anneal/v1/engines", engine, created);
    const body = { model: "anneal/tiny-bert", name: "embedder" };
    await account.client.post(`/anneal/v1/engines/${id}/deployments`, body, created);
    return "embedder";
  };
  return (embedding ??= make());
}

const clientPython = await venv("openai", [requirements], (interpreter, report) =>
  pip(interpreter, ["-r", requirements], report),
).catch((error: unknown) => {
  console.warn(`skipped: the openai client for Python cannot be installed: ${String(error)}`);
  return null;
});

const counted = z.object({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() });
const said = z.object({
  chat: z.string(),
  finish_reason: z.enum(["stop", "length"]),
  usage: counted,
  streamed: z.string(),
  streamed_usage: counted,
  completion: z.string(),
  embedding: z.array(z.number()),
  first_of_aborted: z.string(),
  errors: z.record(z.string(), z.string()),
});

describe.skipIf(clientPython === null)("the official client for Python", () => {
  it("chats, streams, completes, embeds, raises typed errors, leaves in mid-stream", async () => {
    const asked = {
      chat: "sums",
      embedding: await embedder(),
      prompt: PROMPTS[0],
      messages: MESSAGES,
      max_tokens: MAX_TOKENS,
      input: "a first text",
    };
    const args = [path.join(here, "openai-client.py"), plane.url, account.api_key, JSON.stringify(asked)];
    const outcome = await run(clientPython ?? "", args);
    expect(outcome.code, `${outcome.stdout}\n${outcome.stderr}`).toBe(0);
    const found = said.parse(JSON.parse(outcome.stdout.trim().split("\n").at(-1) ?? ""));
    expect(found).toMatchObject({
      chat: direct.tuned.chat,
      streamed: direct.tuned.chat,
      completion: direct.tuned.completions[0],
      first_of_aborted: "chat.completion.chunk",
      errors: { "unknown model": "NotFoundError", "bad field": "BadRequestError", "bad key": "AuthenticationError" },
    });
    expect(found.streamed_usage).toEqual(found.usage);
    expect(found.embedding.length).toBeGreaterThan(16);
  });
});

const engineStatus = z.object({ status: z.string() });

describe("an engine", () => {
  it("is deactivated, wakes by a request, is reactivated, and refuses to be either twice", async () => {
    const { engine_id: native } = await deployment("colours");
    const engine = `/engines/engine-${native.replace(/^eng_/, "")}`;
    const read = async () => (await emissary.call("GET", engine, engineStatus)).status;
    const twice = (path: string) => emissary.call("POST", path, z.null()).then(() => "accepted", String);
    await emissary.call("POST", `${engine}/deactivate`, z.null());
    expect(await read()).toBe("Inactive");
    expect(await twice(`${engine}/deactivate`)).toContain("400");
    const asked = { model: "colours", input: TEXTS[0], data_format: "probs" };
    await emissary.call("POST", "/classification", z.object({ data: z.array(z.unknown()).length(1) }), asked);
    expect(await read()).toBe("Active");
    await emissary.call("POST", `${engine}/deactivate`, z.null());
    await emissary.call("POST", `${engine}/reactivate`, z.null());
    expect(await read()).toBe("Creating");
    expect(await twice(`${engine}/reactivate`)).toContain("400");
    await account.client.post(
      `/anneal/v1/engines/${native}/deactivate`,
      {},
      z.object({ status: z.literal("inactive") }),
    );
  });
});

describe("an agent that dies in mid-stream", () => {
  it("gives its clients an error at once, and the next request is served by another", async () => {
    const long = { model: BASE, prompt: "on and on", temperature: 0, max_tokens: 3_900 };
    const stream = await openai.completions.create({ ...long, stream: true });
    let killedAtMs = 0;
    let pieces = 0;
    const reading = (async () => {
      for await (const piece of stream) {
        pieces += 1;
        if (killedAtMs > 0 || piece.choices[0] === undefined) continue;
        killedAtMs = Date.now();
        agents[0]?.signal("SIGKILL");
        newAgent("second");
      }
    })();
    const error: unknown = await reading.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(Date.now() - killedAtMs).toBeLessThan(LEASE_MS * 2);
    expect(error, `${String(pieces)} pieces`).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: "agent_lost" });
    const next = await waitFor("an answer of the other agent", END_MS, () =>
      openai.completions.create({ model: BASE, prompt: PROMPTS[0] ?? "", ...GREEDY }).catch((refused: unknown) => {
        expect(refused).toMatchObject({ status: 503 });
        return null;
      }),
    );
    expect(next.choices[0]?.text).toBe(direct.base.completions[0]);
  });
});
