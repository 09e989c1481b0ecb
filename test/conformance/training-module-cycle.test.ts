/** Sessions of the Training Module from their data to a model, with an agent that does what the test says. */
import { env } from "cloudflare:workers";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { WorkerAgent, type WorkerLease } from "../harness/worker-agent";
import { WORKER_URL, WorkerClient, type Answer } from "../harness/worker-client";
import {
  configured,
  get,
  post,
  ROWS,
  started,
  uploaded,
  type Refusal,
  type Session,
  type Status,
} from "./training-module-setup";

interface Monitored extends Status {
  info: { step: number; total_steps: number; epoch: number; metrics: Record<string, number> } | null;
}

const CONFIG = {
  model: "anneal/tiny-bert",
  task_type: "classification",
  epochs: 2,
  epochs_per_test_run: 2,
  eval_metrics: ["loss", "accuracy"],
  init_eval: true,
  batch_size: 2,
  learning_rate: 0.001,
  seed: 7,
};

const stateOf = async (session: Session): Promise<string> => (await get(session, "/status")).body.status;

const agents = new Map<string, Promise<WorkerAgent>>();

/** The account's agent takes the one task that waits. */
async function leased({ client }: Session): Promise<WorkerLease> {
  const agent = agents.get(client.apiKey) ?? WorkerAgent.register(client);
  agents.set(client.apiKey, agent);
  return (await agent).lease();
}

async function preprocessed(session: Session): Promise<WorkerLease> {
  expect((await post(session, "/preprocess/KEY")).body).toMatchObject({ status: "preprocessing" });
  const task = await leased(session);
  await task.started();
  await task.completeTask({ cache: { "cache.json": "{}" } });
  return task;
}

async function training(session: Session): Promise<WorkerLease> {
  await preprocessed(session);
  expect((await post(session, "/training/start/KEY")).body).toMatchObject({ status: "training" });
  const task = await leased(session);
  await task.started(4);
  return task;
}

async function imported(session: Session, name = "anneal/tiny-bert"): Promise<WorkerLease> {
  const path = `/import_model/KEY?model_type=classification&model_name=${name}`;
  expect((await post(session, path)).body).toMatchObject({ import_status: "importing" });
  const task = await leased(session);
  await task.started();
  await task.completeTask({ model: { "config.json": "{}" }, tokenizer: { "tokenizer.json": "[]" } });
  return task;
}

/** All that D1 and R2 hold, as one text. */
async function stored(): Promise<string> {
  const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>();
  const ours = tables.results.map(({ name }) => name).filter((name) => !/^(sqlite|_cf)_/.test(name));
  const rows = await env.DB.batch(ours.map((name) => env.DB.prepare(`SELECT * FROM "${name}"`)));
  const { objects } = await env.BUCKET.list();
  const texts = objects.map(async (object) => {
    const bytes = Buffer.from((await (await env.BUCKET.get(object.key))?.arrayBuffer()) ?? []);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return JSON.stringify(object) + (isPacked ? gunzipSync(bytes) : bytes).toString("latin1");
  });
  return JSON.stringify(rows.map(({ results }) => results)) + (await Promise.all(texts)).join("\n");
}

/** The bytes of an answer, and the archive's names of files in them. */
async function bytesOf(session: Session, path: string, headers: Record<string, string> = {}) {
  const response = await session.client.raw(path.replace("KEY", session.key), headers);
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

// Two cores that others use too.
describe("a whole cycle", { timeout: 20_000 }, () => {
  it("preprocesses, trains, tests and is downloaded", async () => {
    const session = await configured(CONFIG);
    expect(await stateOf(session)).toBe("setup");
    const cache = await preprocessed(session);
    expect(cache.lease).toMatchObject({ kind: "preprocess" });
    expect((await get(session, "/preprocess_status")).body).toMatchObject({ status: "preprocessed" });
    expect((await get<Monitored>(session, "/monitor/KEY")).body.info).toBe(null);

    expect((await post(session, "/training/start/KEY")).body.status).toBe("training");
    expect((await get<Monitored>(session, "/monitor/KEY")).body).toMatchObject({ status: "training", info: null });
    const task = await leased(session);
    expect(task.lease).toMatchObject({
      kind: "train",
      spec: {
        method: "classification",
        base_model: { kind: "builtin", name: "anneal/tiny-bert" },
        hyperparameters: { num_epochs: 2, batch_size: 2, learning_rate: 0.001, seed: 7 },
        eval: { every_epochs: 2, metrics: ["loss", "accuracy"], at_start: true },
        preprocessed_by: cache.lease.task_id,
      },
    });
    await task.started(4);
    await task.metrics({ 1: { loss: 0.7 }, 2: { loss: 0.5 } });
    const ts_ms = Date.now();
    const evaluation = (step: number, values: Record<string, number>) =>
      task.report([{ type: "metrics", ts_ms, step, kind: "eval", values }]);
    await task.report([{ type: "progress", ts_ms, step: 2, total_steps: 4, epoch: 1 }]);
    expect((await get<Monitored>(session, "/monitor/KEY")).body.info).toEqual({
      ...{ step: 2, total_steps: 4, epoch: 1 },
      metrics: { loss: 0.5 },
    });
    expect((await get(session, "/model_ready/KEY")).body).toMatchObject({ ready: false, status: "training" });
    await evaluation(0, { epoch: 0, loss: 0.9, accuracy: 0.5 });
    await evaluation(4, { epoch: 2, loss: 0.3, accuracy: 1 });
    await task.complete({ "model.safetensors": "weights" }, 4);

    expect((await get(session, "/model_ready/KEY")).body).toMatchObject({ ready: true, status: "trained" });
    const results = await bytesOf(session, "/download_results/KEY");
    expect(results.response.headers.get("content-disposition")).toContain("results.json");
    expect(JSON.parse(results.bytes.toString())).toEqual({
      initial: { loss: 0.9, accuracy: 0.5 },
      tests: [{ epoch: 2, metrics: { loss: 0.3, accuracy: 1 } }],
    });
    const model = await bytesOf(session, "/download_model/KEY");
    expect(model.response.headers.get("content-disposition")).toContain("model.tar.gz");
    expect(gunzipSync(model.bytes).toString()).toContain("weights");
    const part = await bytesOf(session, "/download_model/KEY", { range: "bytes=0-9" });
    expect([part.response.status, part.bytes]).toEqual([206, model.bytes.subarray(0, 10)]);

    const all = await stored();
    // The data, the model and the session are in it.
    for (const part of [ROWS, "weights", task.lease.task_id]) expect(all).toContain(part);
    expect(all).not.toContain(session.key.slice(3));
    // The same job, as the native API has it.
    const jobs = await session.client.get<{ data: { id: string; status: string }[] }>("/anneal/v1/jobs");
    expect(jobs.body.data).toMatchObject([{ id: `job_${task.lease.task_id}`, status: "completed" }]);
  });

  it("is stopped, and trained anew", async () => {
    const session = await configured(CONFIG);
    const first = await training(session);
    expect((await post(session, "/training/stop/KEY")).body).toMatchObject({ status: "stopped" });
    expect((await post<Refusal>(session, "/training/stop/KEY")).body.detail).toContain("state is 'stopped'");
    expect((await post(session, "/training/start/KEY")).body.status).toBe("training");
    const second = await leased(session);
    expect(second.lease.task_id).not.toBe(first.lease.task_id);
  });

  it("says why preprocessing failed, and tries again", async () => {
    const session = await configured(CONFIG);
    expect((await post(session, "/preprocess/KEY")).status).toBe(200);
    const broken = await leased(session);
    await broken.started();
    await broken.fail("invalid_dataset", "no row is left");
    const failed = await get(session, "/preprocess_status");
    expect(failed.body).toMatchObject({ status: "failed", message: expect.stringContaining("no row is left") });
    expect((await post<Refusal>(session, "/training/start/KEY")).body.detail).toContain("POST /preprocess/{key}");
    await preprocessed(session);
  });

  it("says why training failed, and trains again", async () => {
    const session = await configured(CONFIG);
    const task = await training(session);
    await task.fail("out_of_memory", "the GPU's memory is full");
    expect((await get(session, "/status")).body).toMatchObject({
      status: "failed",
      message: expect.stringContaining("the GPU's memory is full"),
    });
    expect((await post(session, "/training/start/KEY")).body.status).toBe("training");
  });

  it("makes one task of two calls at once", async () => {
    const session = await configured(CONFIG);
    const both = await Promise.all([0, 1].map(() => post(session, "/preprocess/KEY")));
    expect(both.map(({ status }) => status)).toEqual(expect.arrayContaining([200]));
    const tasks = await session.client.get<{ data: { status: string }[] }>("/anneal/v1/jobs?kind=preprocess");
    expect(tasks.body.data.map(({ status }) => status)).toEqual(["queued"]);
  });
});

describe("force_restart", () => {
  it("cancels all that runs", async () => {
    const session = await configured(CONFIG);
    await training(session);
    await post(session, "/import_model/KEY?model_type=classification&model_name=anneal/tiny-bert");
    const answer = await session.client.get<Status>("/start_session?force_restart=1");
    expect(answer.body).toMatchObject({ status: "setup", import_status: "none" });
    for (const kind of ["train", "import"]) {
      const jobs = await session.client.get<{ data: { status: string }[] }>(`/anneal/v1/jobs?kind=${kind}`);
      expect(jobs.body.data.map(({ status }) => status)).toEqual(["cancelled"]);
    }
  });

  it("cancels preprocessing", async () => {
    const session = await configured(CONFIG);
    await post(session, "/preprocess/KEY");
    expect((await post(session, "/training/stop/KEY?force_restart=1")).body.status).toBe("none");
    const tasks = await session.client.get<{ data: { status: string }[] }>("/anneal/v1/jobs?kind=preprocess");
    expect(tasks.body.data.map(({ status }) => status)).toEqual(["cancelled"]);
  });
});

describe("cache_dir", () => {
  const cached = { ...CONFIG, cache_dir: "banking" };
  const filled = configured(cached).then(async (session) => ({ session, made: await preprocessed(session) }));

  it("finds what another session has preprocessed from the same data, for the same model", async () => {
    const { session, made } = await filled;
    const { client } = session;
    // The same rows again are another dataset with the same content; rates and epochs are no part of it.
    const again = await configured({ ...cached, epochs: 3, learning_rate: 0.1, eval_metrics: ["f1"] }, { client });
    expect((await post(again, "/preprocess/KEY")).body.status).toBe("preprocessed");
    expect((await post(again, "/training/start/KEY")).body.status).toBe("training");
    expect((await leased(again)).lease.spec).toMatchObject({ preprocessed_by: made.lease.task_id });
  });

  it.each<[string, Record<string, unknown>, Record<string, string>?]>([
    ["other rows", {}, { train_file: `${ROWS}{"text":"new","label":"yes"}\n`, test_file: ROWS }],
    ["other test rows", {}, { train_file: ROWS, test_file: `${ROWS}{"text":"new","label":"yes"}\n` }],
    ["another model", { model: "anneal/tiny-llama" }],
    ["another directory", { cache_dir: "other" }],
    ["no directory", { cache_dir: null }],
    ["overwrite_cache", { overwrite_cache: true }],
  ])("preprocesses anew with %s", async (_, changes, files) => {
    const { client } = (await filled).session;
    const again = await configured({ ...cached, ...changes }, { client, ...(files ? { files } : {}) });
    expect((await post(again, "/preprocess/KEY")).body.status).toBe("preprocessing");
  });
});

describe("import_model", () => {
  it("brings a model, which is given back whole, or its tokenizer, or where they are", async () => {
    const session = await started();
    expect((await get(session, "/import_status")).body).toMatchObject({ status: "setup", import_status: "none" });
    const early = await get<Refusal>(session, "/get_imported_model/KEY");
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining("state 'none'")]);
    const task = await imported(session);
    expect(task.lease.kind).toBe("import");
    expect((await get(session, "/import_status")).body.import_status).toBe("imported");
    const model = await bytesOf(session, "/get_imported_model/KEY");
    expect(gunzipSync(model.bytes).toString()).toContain("config.json");
    const tokenizer = await bytesOf(session, "/get_imported_model/KEY?tokenizer=1&on_disk=0");
    expect(gunzipSync(tokenizer.bytes).toString()).toContain("tokenizer.json");
    for (const [query, bytes] of [
      ["on_disk=1", model.bytes],
      ["on_disk=1&tokenizer=true", tokenizer.bytes],
    ] as const) {
      const where = await get<Record<string, string | number>>(session, `/get_imported_model/KEY?${query}`);
      expect(where.body).toMatchObject({ import_status: "imported", size_bytes: bytes.byteLength });
      expect(where.body["path"]).toMatch(new RegExp(`^job_${task.lease.task_id}/(model|tokenizer)\\.tar\\.gz$`));
      const url = String(where.body["url"]).replace(WORKER_URL, "");
      const fetched = await new WorkerClient("").raw(url, { authorization: "" });
      expect(Buffer.from(await fetched.arrayBuffer())).toEqual(bytes);
    }
  });

  it.each([{ model: "anneal/tiny-bert" }, {}])("is what the session trains: %j", async (config) => {
    const session = await configured(config);
    const task = await imported(session);
    await preprocessed(session);
    await post(session, "/training/start/KEY");
    expect((await leased(session)).lease.spec.base_model).toEqual({ kind: "job", job_id: task.lease.task_id });
  });

  it("tells the default task_type, until one is set or training is under way", async () => {
    const session = await started();
    const config = async () => (await get(session, "/parameters")).body.config;
    const importing = (type: string, name: string) =>
      post(session, `/import_model/KEY?model_type=${type}&model_name=${name}`);
    await imported(session);
    const followed = { task_type: "classification", eval_metrics: ["loss", "accuracy", "f1"], batch_size: 16 };
    expect(await config()).toMatchObject({ ...followed, model: "anneal/tiny-bert" });
    const set = await post(session, "/parameters/KEY", { task_type: "embedding" });
    expect(set.body.config).toMatchObject({ task_type: "embedding" });
    expect((await post(session, "/parameters/KEY", { task_type: null })).body.config).toMatchObject(followed);
    expect((await uploaded(session, { train_file: ROWS, test_file: ROWS })).status).toBe(200);
    await preprocessed(session);
    // Too late for what is preprocessed already.
    expect((await importing("embedding", "anneal/tiny-bert")).status).toBe(200);
    expect(await config()).toMatchObject(followed);
  });

  it("leaves the task_type of another model alone", async () => {
    const session = await started();
    await post(session, "/parameters/KEY", { model: "anneal/tiny-llama" });
    await post(session, "/import_model/KEY?model_type=classification&model_name=anneal/tiny-bert");
    const { config } = (await get(session, "/parameters")).body;
    expect(config).toMatchObject({ task_type: "text-generation", model: "anneal/tiny-llama" });
  });

  it("holds back what would train on it until it has come", async () => {
    const session = await configured({ model: "anneal/tiny-bert" });
    const path = "/import_model/KEY?model_type=classification&model_name=anneal/tiny-bert";
    await post(session, path);
    const second = await post<Refusal>(session, path);
    expect([second.status, second.body.detail]).toEqual([409, expect.stringContaining("'importing'")]);
    const early = await post<Refusal>(session, "/preprocess/KEY");
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining("'importing'")]);
    const broken = await leased(session);
    await broken.started();
    await broken.fail("base_model_unavailable", "there is no such repository");
    expect((await get(session, "/import_status")).body).toMatchObject({
      import_status: "failed",
      message: expect.stringContaining("there is no such repository"),
    });
    expect((await post(session, path)).body.import_status).toBe("importing");
  });

  it.each<[string, string[], string]>([
    ["model_type=classification", ["query", "model_name"], "missing"],
    ["model_name=anneal/tiny-bert", ["query", "model_type"], "missing"],
    ["model_name=anneal/tiny-bert&model_type=sft", ["query", "model_type"], "enum"],
    ["model_name=&model_type=classification", ["query", "model_name"], "string_too_short"],
    ["model_name=a%20b&model_type=classification", ["query", "model_name"], "value_error"],
    ["model_name=anneal/none&model_type=classification", ["query", "model_name"], "value_error"],
    ["model_name=anneal/tiny-bert&model_type=text-generation", ["query", "model_name"], "value_error"],
  ])("refuses %s with 422", async (query, loc, type) => {
    const answer: Answer<Refusal> = await post<Refusal>(await started(), `/import_model/KEY?${query}`);
    expect(answer.status).toBe(422);
    expect(answer.body.detail).toEqual([{ loc, msg: expect.any(String), type }]);
  });
});

describe("data that does not fit", () => {
  it("is told when it is preprocessed, and can be changed then", async () => {
    const session = await configured({ task_type: "regression" });
    const refused = await post<Refusal>(session, "/preprocess/KEY");
    expect([refused.status, refused.body.detail]).toEqual([
      400,
      expect.stringMatching(/^train_file: regression needs/),
    ]);
    const pairs = '{"text1":"a","text2":"b","score":1}\n';
    await uploaded(session, { train_file: pairs, test_file: pairs });
    await post(session, "/parameters/KEY", { task_type: "text-generation" });
    const worded = await post<Refusal>(session, "/preprocess/KEY");
    expect([worded.status, worded.body.detail]).toEqual([
      400,
      expect.stringMatching(/^train_file: text-generation needs/),
    ]);
    await post(session, "/parameters/KEY", { task_type: "regression" });
    const scores = '{"text":"a","score":1}\n{"text":"b","score":2}\n';
    expect((await uploaded(session, { test_file: scores, train_file: scores })).status).toBe(200);
    expect((await post(session, "/preprocess/KEY")).body.status).toBe("preprocessing");
  });
});
