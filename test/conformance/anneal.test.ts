import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { annealDialect } from "../../worker/dialects/anneal";
import * as schema from "../../worker/dialects/anneal/schema";
import { SHARED_FUNCTIONS } from "../../worker/domain/shared-functions";
import {
  admin,
  answered,
  claim,
  commitFinal,
  downloaded,
  grpoRequest,
  newAccount,
  newAgent,
  newDataset,
  newFunction,
  newJob,
  ORIGIN,
  PROMPTS,
  refused,
  REWARD,
  send,
  started,
} from "./anneal-client";

const V1 = "/anneal/v1";
const PAIRS = '{"prompt":"1 + 1 =","completion":"2"}';
const page = <T extends z.ZodType>(item: T) => schema.listOf(item);

describe("who may call", () => {
  it("the admin token makes accounts, and is good for nothing else", async () => {
    const made = await (await admin("POST", "/admin/v1/accounts", { name: "a" })).json<Record<string, string>>();
    expect(made).toMatchObject({
      account_id: expect.stringMatching(/^acct_[0-9a-z]{26}$/) as string,
      project_id: expect.stringMatching(/^ms-[0-9a-z]{26}$/) as string,
      api_key: expect.stringMatching(/^sk-[0-9a-f]{40}$/) as string,
    });
    const accounts = await (await admin("GET", "/admin/v1/accounts?limit=1")).json<{ data: { id: string }[] }>();
    expect(accounts.data[0]?.id).toBe(made["account_id"]);
    expect(await refused(admin("GET", `${V1}/jobs`))).toMatchObject({ status: 401, code: "unauthenticated" });
    expect(
      await refused(send("POST", "/admin/v1/accounts", made["api_key"] ?? "", { body: { name: "b" } })),
    ).toMatchObject({
      status: 401,
    });
    expect(await refused(send("GET", "/admin/v1/accounts", null))).toMatchObject({ status: 401 });
  });

  it("platform agents are the owner's to admit", async () => {
    const made = await admin("POST", "/admin/v1/agent_tokens", { reusable: true, ttl_seconds: 600 });
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({ reusable: true, id: expect.stringMatching(/^boot_/) as string });
  });

  it("keys have scopes, never wider than their maker's, and end at once", async () => {
    const { api_key: key, project_id: project } = await newAccount();
    const reader = await answered(
      send("POST", `${V1}/keys`, key, { body: { name: "reader", scopes: ["read"] } }),
      201,
      schema.newKey,
    );
    expect(reader).toMatchObject({ project_id: project, scopes: ["read"], last_used_at: null });
    expect(reader.key.startsWith(reader.prefix)).toBe(true);
    expect((await send("GET", `${V1}/jobs`, reader.key)).status).toBe(200);
    const write = send("POST", `${V1}/projects`, reader.key, { body: { name: "p" } });
    expect(await refused(write)).toMatchObject({ status: 403, code: "forbidden" });
    const wider = send("POST", `${V1}/keys`, key, { body: { name: "w", scopes: ["admin"] } });
    expect(await refused(wider)).toMatchObject({ status: 403 });
    const { data } = await answered(send("GET", `${V1}/keys`, key), 200, page(schema.key));
    expect(data.map((one) => one.name)).toEqual(["reader", "default"]);
    await answered(send("DELETE", `${V1}/keys/${reader.id}`, key), 200, schema.revoked);
    expect(await refused(send("GET", `${V1}/jobs`, reader.key))).toMatchObject({ status: 401 });
    expect(await refused(send("DELETE", `${V1}/keys/${reader.id}`, key))).toMatchObject({ status: 404 });
  });

  it("what is another account's does not exist", async () => {
    const [mine, theirs] = [await newAccount(), await newAccount()];
    const [job, dataset, fn] = [
      await newJob(mine.api_key),
      await newDataset(mine.api_key),
      await newFunction(mine.api_key),
    ];
    const paths = [
      `/jobs/${job}`,
      `/jobs/${job}/stream`,
      `/jobs/${job}/events`,
      `/datasets/${dataset}`,
      `/functions/${fn}`,
    ];
    for (const path of paths) {
      const own = await send("GET", V1 + path, mine.api_key);
      expect(own.status).toBe(200);
      await own.body?.cancel();
      expect(await refused(send("GET", V1 + path, theirs.api_key))).toMatchObject({ status: 404, code: "not_found" });
    }
    expect(await refused(send("POST", `${V1}/jobs/${job}/cancel`, theirs.api_key))).toMatchObject({ status: 404 });
    const borrowed = { ...(await grpoRequest(theirs.api_key)), dataset_id: dataset };
    expect(await refused(send("POST", `${V1}/jobs`, theirs.api_key, { body: borrowed }))).toMatchObject({
      status: 404,
      field: "dataset_id",
    });
    expect(await refused(send("GET", `${V1}/jobs/${job.replace("job_", "")}`, mine.api_key))).toMatchObject({
      status: 404,
    });
  });
});

describe("projects", () => {
  it("are made and listed, page by page", async () => {
    const { api_key: key } = await newAccount();
    for (const name of ["one", "two"]) {
      await answered(send("POST", `${V1}/projects`, key, { body: { name } }), 201, schema.project);
    }
    const first = await answered(send("GET", `${V1}/projects?limit=2`, key), 200, page(schema.project));
    expect(first.has_more).toBe(true);
    const after = first.data[1]?.id ?? "";
    const rest = await answered(send("GET", `${V1}/projects?limit=2&after=${after}`, key), 200, page(schema.project));
    expect([...first.data, ...rest.data].map((one) => one.name)).toEqual(["two", "one", "default"]);
    expect(rest.has_more).toBe(false);
    expect(await refused(send("GET", `${V1}/projects?limit=0`, key))).toMatchObject({ status: 400, field: "limit" });
    expect(await refused(send("GET", `${V1}/projects?after=job_1`, key))).toMatchObject({
      status: 400,
      field: "after",
    });
  });
});

describe("datasets", () => {
  it("come as a form or as they are, and go back byte by byte", async () => {
    const { api_key: key } = await newAccount();
    const form = new FormData();
    form.set("name", "by form");
    form.set("file", new Blob([PROMPTS]), "prompts.jsonl");
    const made = await answered(send("POST", `${V1}/datasets`, key, { raw: form }), 201, schema.dataset);
    expect(made).toMatchObject({ name: "by form", format: "prompt", num_rows: 4, columns: ["prompt", "answer"] });
    const raw = await answered(send("POST", `${V1}/datasets?name=raw`, key, { raw: PROMPTS }), 201, schema.dataset);
    expect(raw.sha256).toBe(made.sha256);
    const { data } = await answered(send("GET", `${V1}/datasets`, key), 200, page(schema.dataset));
    expect(data).toEqual([raw, made]);
    expect(await answered(send("GET", `${V1}/datasets/${made.id}`, key), 200, schema.dataset)).toEqual(made);
    const signed = await answered(send("GET", `${V1}/datasets/${made.id}/download`, key), 200, schema.download);
    expect(await downloaded(signed.url)).toEqual([200, PROMPTS]);
    expect(await downloaded(signed.url, { range: "bytes=-3" })).toEqual([206, PROMPTS.slice(-3)]);
  });

  it.each([
    ["a broken line", '{"prompt":"a"}\n{"prompt":', { line: 2, message: /^file: line 2 is not valid JSON/ }],
    [
      "a row without its column",
      '{"prompt":"a","completion":"b"}\n\n{"prompt":"a"}',
      { line: 3, message: /no 'completion'/ },
    ],
    ["no rows", "\n\n", { message: /empty/ }],
    ["unknown columns", '{"question":"a"}', { line: 1, message: /'prompt', 'messages' or 'text'/ }],
    ["no text", new Uint8Array([0x7b, 0xff]), { line: 1, message: /UTF-8/ }],
  ])("%s is refused and nothing is kept", async (_, raw, { message, ...rest }) => {
    const { api_key: key } = await newAccount();
    const error = await refused(send("POST", `${V1}/datasets?name=bad`, key, { raw }));
    expect(error).toMatchObject({ status: 400, code: "invalid_request", field: "file", ...rest });
    expect(error["message"]).toMatch(message);
    expect((await answered(send("GET", `${V1}/datasets`, key), 200, page(schema.dataset))).data).toEqual([]);
  });

  it("come as CSV too, and say what they can train", async () => {
    const { api_key: key } = await newAccount();
    const csv = 'text,category\r\n"a, b",x\r\n"c\nd",y\r\n';
    const path = `${V1}/datasets?name=pairs&file_name=pairs.csv`;
    const made = await answered(send("POST", path, key, { raw: csv }), 201, schema.dataset);
    expect(made).toMatchObject({ format: "prompt_completion", num_rows: 2, file_name: "pairs.csv", file_kind: "csv" });
    expect(made.methods).toEqual(["sft_text", "grpo", "classification"]);
    expect(made.misfits).toEqual({ regression: "line 2 has a 'completion' that is not a number: 'x'" });
    expect(made.labels).toEqual({ kind: "multiclass", counts: { x: 1, y: 1 } });
    const signed = await answered(send("GET", `${V1}/datasets/${made.id}/download`, key), 200, schema.download);
    expect(await downloaded(signed.url)).toEqual([200, csv]);
    const form = new FormData();
    form.set("name", "short");
    form.set("file", new Blob(["text,category\na\n"]), "short.csv");
    const error = await refused(send("POST", `${V1}/datasets`, key, { raw: form }));
    expect(error).toMatchObject({ status: 400, field: "file", line: 2 });
    expect(error["message"]).toContain("has no 'category'");
  });

  it("need a name", async () => {
    const { api_key: key } = await newAccount();
    const error = { status: 400, field: "name" };
    expect(await refused(send("POST", `${V1}/datasets`, key, { raw: PROMPTS }))).toMatchObject(error);
    expect(await refused(send("POST", `${V1}/datasets?name=%20`, key, { raw: PROMPTS }))).toMatchObject(error);
  });
});

describe("functions", () => {
  it("come as a form or as JSON", async () => {
    const { api_key: key } = await newAccount();
    const form = new FormData();
    form.set("name", "by form");
    form.set("file", new Blob([REWARD]), "reward.py");
    const made = await answered(send("POST", `${V1}/functions`, key, { raw: form }), 201, schema.fn);
    expect(made).toMatchObject({ name: "by form", format: "trl", size_bytes: REWARD.length });
    const body = { name: "json", source: REWARD };
    const json = await answered(send("POST", `${V1}/functions`, key, { body }), 201, schema.fn);
    expect(json.sha256).toBe(made.sha256);
    expect((await answered(send("GET", `${V1}/functions`, key), 200, page(schema.fn))).data).toEqual([json, made]);
    expect(await answered(send("GET", `${V1}/functions/${made.id}`, key), 200, schema.fn)).toEqual(made);
  });

  it.each([
    [{ name: "f", source: "def score(): ..." }, "file"],
    [{ name: "f", source: "" }, "file"],
    [{ name: "f", format: "miles", source: REWARD }, "file"],
    [{ name: "f", format: "lua", source: REWARD }, "format"],
    [{ source: REWARD }, "name"],
    [{ name: "f", source: REWARD, extra: 1 }, "extra"],
    [{ name: "f", source: `def reward(\n${"#".repeat(1024 * 1024)}` }, "file"],
  ])("refuses %#, naming %s", async (body, field) => {
    const { api_key: key } = await newAccount();
    expect(await refused(send("POST", `${V1}/functions`, key, { body }))).toMatchObject({ status: 400, field });
  });

  it("test by their own name, which is the account's only one", async () => {
    const { api_key: key } = await newAccount();
    const source = "def exact(input_text, expected_output, predicted_output):\n    return 1.0\n";
    const create = (body: Record<string, unknown>) =>
      send("POST", `${V1}/functions`, key, { body: { format: "test", source, ...body } });
    const made = await answered(create({ name: "exact" }), 201, schema.fn);
    expect(made).toMatchObject({ name: "exact", format: "test" });
    expect(await refused(create({ name: "exact" }))).toMatchObject({ status: 409, code: "conflict", field: "name" });
    const [shared = ""] = SHARED_FUNCTIONS.map(({ name }) => name);
    const taken = { name: shared, source: source.replace("exact", shared) };
    expect(await refused(create(taken))).toMatchObject({ status: 409, field: "name" });
    expect(await refused(create({ name: "not a name" }))).toMatchObject({ status: 400, field: "name" });
    const column = { name: "output", source: source.replace("exact", "output") };
    expect(await refused(create(column))).toMatchObject({ status: 400, field: "name" });
    expect(await refused(create({ name: "other" }))).toMatchObject({ status: 400, field: "file" });
    await answered(send("DELETE", `${V1}/functions/${made.id}`, key), 200, schema.deleted);
    expect(await refused(send("GET", `${V1}/functions/${made.id}`, key))).toMatchObject({ status: 404 });
    await answered(create({ name: "exact" }), 201, schema.fn);
  });

  it("refuses what is no JSON", async () => {
    const { api_key: key } = await newAccount();
    const headers = { "content-type": "application/json" };
    expect(await refused(send("POST", `${V1}/functions`, key, { raw: "{", headers }))).toMatchObject({ status: 400 });
  });
});

describe("deleting", () => {
  it("is refused while a job needs it, which is named, and is for good afterwards", async () => {
    const { api_key: key } = await newAccount();
    const request = await grpoRequest(key);
    const [{ id: fn = "" } = {}] = request["functions"] as { id?: string }[];
    const { id: job } = await answered(send("POST", `${V1}/jobs`, key, { body: request }), 201, schema.job);
    const paths = [`/jobs/${job}`, `/datasets/${String(request["dataset_id"])}`, `/functions/${fn}`];
    for (const path of paths) {
      const error = await refused(send("DELETE", V1 + path, key));
      expect(error).toMatchObject({ status: 409, code: "conflict" });
      expect(error["message"]).toContain(job);
    }
    await answered(send("POST", `${V1}/jobs/${job}/cancel`, key), 200, schema.job);
    for (const path of paths) {
      expect(await answered(send("DELETE", V1 + path, key), 200, schema.deleted)).toMatchObject({ deleted: true });
      expect(await refused(send("GET", V1 + path, key))).toMatchObject({ status: 404 });
      expect(await refused(send("DELETE", V1 + path, key))).toMatchObject({ status: 404 });
    }
    for (const list of ["jobs", "datasets", "functions"]) {
      expect(await (await send("GET", `${V1}/${list}`, key)).json()).toEqual({ data: [], has_more: false });
    }
  });

  it("takes a project with all that is in it, but not a key's own", async () => {
    const { api_key: key, project_id: own } = await newAccount();
    expect(await refused(send("DELETE", `${V1}/projects/${own}`, key))).toMatchObject({ status: 409 });
    const made = await answered(send("POST", `${V1}/projects`, key, { body: { name: "p" } }), 201, schema.project);
    await answered(send("DELETE", `${V1}/projects/${made.id}`, key), 200, schema.deleted);
    const left = await answered(send("GET", `${V1}/projects`, key), 200, page(schema.project));
    expect(left.data.map(({ id }) => id)).toEqual([own]);
  });
});

describe("jobs", () => {
  it("are shown whole, with every default", async () => {
    const { api_key: key, project_id: project } = await newAccount();
    const request = await grpoRequest(key);
    const made = await answered(send("POST", `${V1}/jobs`, key, { body: request }), 201, schema.job);
    expect(made).toMatchObject({
      project_id: project,
      method: "grpo",
      status: "queued",
      reason: null,
      log_tail: [],
      base_model: "anneal/tiny-llama",
      dataset_id: request["dataset_id"],
      output_name: "adder",
      spec: {
        base_model: { kind: "builtin", name: "anneal/tiny-llama" },
        hyperparameters: { learning_rate: 1e-6, global_batch_size: 64, max_steps: null, seed: 42 },
        functions: [{ id: (request["functions"] as { id: string }[])[0]?.id, weight: 1 }],
        gpu: { type: "L4-24GB", count: 1 },
        provider: null,
        max_cost_usd: null,
        max_duration_seconds: null,
        hang_timeout_seconds: 1800,
      },
      provider: null,
      gpu: null,
      gpu_requested: { type: "L4-24GB", count: 1 },
      attempt: 0,
      progress: 0,
      lost_in_a_row: 0,
      agent_id: null,
      started_at: null,
      completed_at: null,
      checkpoint_sha256: null,
      model: null,
    });
    expect(made.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(await answered(send("GET", `${V1}/jobs/${made.id}`, key), 200, schema.job)).toMatchObject({ id: made.id });
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["an unknown method", { method: "dpo" }, { field: "method" }],
    ["an unknown built-in model", { base_model: "anneal/huge" }, { field: "base_model" }],
    ["a model name that is none", { base_model: "a/b/c" }, { field: "base_model" }],
    ["an unknown GPU", { gpu: { type: "K80" } }, { field: "gpu.type" }],
    ["too many GPUs", { gpu: { type: "L4-24GB", count: 9 } }, { field: "gpu.count" }],
    ["an unknown provider", { provider: "nimbus" }, { field: "provider" }],
    ["an unknown hyperparameter", { hyperparameters: { lr: 1 } }, { field: "hyperparameters.lr" }],
    ["a value out of range", { hyperparameters: { learning_rate: -1 } }, { field: "hyperparameters.learning_rate" }],
    [
      "a batch that is no multiple",
      { hyperparameters: { global_batch_size: 12 } },
      { field: "hyperparameters.global_batch_size" },
    ],
    ["grpo without a function", { functions: [] }, { field: "functions" }],
    ["a function that is not there", { functions: [{ id: "rf_none" }] }, { status: 404, field: "functions" }],
    ["a dataset that is not there", { dataset_id: "ds_none" }, { status: 404, field: "dataset_id" }],
    ["an unknown field", { tag: "x" }, { field: "tag" }],
    ["a missing field", { output_name: undefined }, { field: "output_name" }],
    ["a field of the wrong type", { base_model: 7 }, { field: "base_model" }],
  ])("refuse %s by name", async (_, changes, error) => {
    const { api_key: key } = await newAccount();
    const body = { ...(await grpoRequest(key)), ...changes };
    const answer = await refused(send("POST", `${V1}/jobs`, key, { body }));
    expect(answer).toMatchObject({ status: 400, ...error });
    expect(String(answer["message"]).startsWith(`${String(error["field"])}`)).toBe(true);
  });

  it("refuse rows that the method cannot train on", async () => {
    const { api_key: key } = await newAccount();
    const body = { ...(await grpoRequest(key)), dataset_id: await newDataset(key, '{"text":"a"}') };
    expect(await refused(send("POST", `${V1}/jobs`, key, { body }))).toMatchObject({
      status: 400,
      code: "dataset_format_incompatible",
      field: "dataset_id",
    });
  });

  it("are evaluated and stopped early as asked", async () => {
    const { api_key: key } = await newAccount();
    const [rows, held] = [await newDataset(key, PAIRS), await newDataset(key, PAIRS)];
    const sft = {
      ...(await grpoRequest(key)),
      method: "sft_text",
      functions: [],
      dataset_id: rows,
      hyperparameters: {},
    };
    const asked = { eval: { dataset_id: held, every_steps: 5 }, early_stop: { metric: "eval_loss", patience: 3 } };
    const made = await answered(send("POST", `${V1}/jobs`, key, { body: { ...sft, ...asked } }), 201, schema.job);
    expect(made.spec).toMatchObject({
      eval: { dataset_id: held, split_percent: null, every_steps: 5 },
      early_stop: { metric: "eval_loss", patience: 3, min_delta: 0, window: null },
    });
    const { token } = await newAgent(key);
    const { inputs, spec } = await claim(token);
    expect(inputs.eval_dataset).toMatchObject({ format: "prompt_completion", sha256: inputs.dataset?.sha256 });
    expect(spec.early_stop).toEqual({ metric: "eval_loss", patience: 3, min_delta: 0 });

    const stop = { metric: "eval_loss", patience: 3 };
    const other = await newDataset((await newAccount()).api_key, PAIRS);
    const bad: [Record<string, unknown>, Record<string, unknown>][] = [
      [{ eval: {} }, { field: "eval" }],
      [{ eval: { dataset_id: held, split_percent: 10 } }, { field: "eval" }],
      [{ eval: { split_percent: 51 } }, { field: "eval.split_percent" }],
      [{ eval: { dataset_id: other } }, { status: 404, field: "eval.dataset_id" }],
      [{ eval: { dataset_id: await newDataset(key, '{"text":"a"}') } }, { field: "eval.dataset_id" }],
      [{ early_stop: stop }, { field: "early_stop.metric" }],
      [{ eval: { split_percent: 10 }, early_stop: { ...stop, window: 2 } }, { field: "early_stop.window" }],
      [{ early_stop: { metric: "reward", patience: 3 } }, { field: "early_stop.metric" }],
      [{ early_stop: { metric: "reward" } }, { field: "early_stop.patience" }],
    ];
    for (const [changes, error] of bad) {
      const answer = refused(send("POST", `${V1}/jobs`, key, { body: { ...sft, ...changes } }));
      expect(await answer).toMatchObject({ status: 400, ...error });
    }
    const grpo = await grpoRequest(key);
    const evaluated = { ...grpo, eval: { split_percent: 10 } };
    expect(await refused(send("POST", `${V1}/jobs`, key, { body: evaluated }))).toMatchObject({ field: "eval" });
    const stopped = { ...grpo, early_stop: { metric: "reward", patience: 3, min_delta: 0.1 } };
    expect((await answered(send("POST", `${V1}/jobs`, key, { body: stopped }), 201, schema.job)).spec).toMatchObject({
      eval: null,
      early_stop: { metric: "reward", patience: 3, min_delta: 0.1, window: 10 },
    });
  });

  it("are of three kinds, which are made, listed, shown, followed and ended in one way", async () => {
    const { api_key: key } = await newAccount();
    const body = {
      method: "sft_text",
      base_model: "anneal/tiny-llama",
      dataset_id: await newDataset(key, PAIRS),
      output_name: "prepared",
      eval: { split_percent: 25, every_epochs: 2, metrics: ["perplexity"], at_start: true },
    };
    const make = (changes: object) => send("POST", `${V1}/jobs`, key, { body: { ...body, ...changes } });
    const prepared = await answered(make({ kind: "preprocess" }), 201, schema.job);
    const { base_model, method, output_name } = body;
    const imported = { kind: "import", dataset_id: undefined, eval: undefined, base_model, method, output_name };
    const brought = await answered(make(imported), 201, schema.job);
    expect([prepared.kind, brought.kind, brought.dataset_id]).toEqual(["preprocess", "import", null]);
    expect(prepared.spec.eval).toMatchObject({ every_epochs: 2, metrics: ["perplexity"], at_start: true });
    const list = async (query: string) =>
      (await answered(send("GET", `${V1}/jobs${query}`, key), 200, schema.listOf(schema.jobSummary))).data;
    const ids = async (query: string) => (await list(query)).map(({ id }) => id);
    expect([await ids(""), await ids("?kind=preprocess"), await ids("?kind=import")]).toEqual([
      [],
      [prepared.id],
      [brought.id],
    ]);
    expect(await refused(send("GET", `${V1}/jobs?kind=bake`, key))).toMatchObject({ status: 400, field: "kind" });
    // Only engines make tasks that serve.
    const serving = send("POST", `${V1}/jobs`, key, { body: { ...(await grpoRequest(key)), kind: "serve" } });
    expect(await refused(serving)).toMatchObject({ status: 400, field: "kind" });

    for (const { id, kind } of [prepared, brought]) {
      const at = (rest: string) => send("GET", `${V1}/jobs/${id}${rest}`, key);
      expect((await answered(at(""), 200, schema.job)).kind).toBe(kind);
      const events = await answered(at("/events"), 200, schema.listOf(schema.event));
      expect(events.data.map(({ event_type: type }) => type)).toContain("created");
      await answered(at("/metrics"), 200, schema.metrics);
      await answered(at("/checkpoints"), 200, schema.listOf(schema.checkpoint));
      const stream = await at("/stream");
      expect(stream.status).toBe(200);
      await stream.body?.cancel();
      expect(await refused(at("/model"))).toMatchObject({ status: 400, code: "invalid_request" });
      const cancelled = await answered(send("POST", `${V1}/jobs/${id}/cancel`, key), 200, schema.job);
      expect(cancelled.status).toBe("cancelled");
    }
    // Other dialects know jobs that train.
    expect((await send("GET", `/v1/training_jobs/${prepared.id}`, key)).status).toBe(404);
    for (const [changes, field] of [
      [{ dataset_id: undefined }, "dataset_id"],
      [{ kind: "import" }, "dataset_id"],
      [{ kind: "serve" }, "kind"],
      [{ preprocessed_by: prepared.id }, "preprocessed_by"],
      [{ eval: { ...body.eval, metrics: ["bleu"] } }, "eval.metrics"],
      [{ eval: { ...body.eval, every_steps: 2 } }, "eval.every_epochs"],
    ] as const) {
      expect(await refused(make(changes))).toMatchObject({ status: 400, field });
    }
    expect(await refused(make({ preprocessed_by: "job_x" }))).toMatchObject({ status: 404, field: "preprocessed_by" });
  });

  it("are made once for one Idempotency-Key", async () => {
    const { api_key: key } = await newAccount();
    const body = await grpoRequest(key);
    const headers = { "idempotency-key": "k1" };
    const first = await answered(send("POST", `${V1}/jobs`, key, { body, headers }), 201, schema.job);
    const again = await answered(send("POST", `${V1}/jobs`, key, { body, headers }), 201, schema.job);
    expect(again.id).toBe(first.id);
    const other = send("POST", `${V1}/jobs`, key, { body: { ...body, output_name: "x" }, headers });
    expect(await refused(other)).toMatchObject({ status: 409, code: "idempotency_mismatch" });
  });

  it("are listed by status, method and project", async () => {
    const { api_key: key, project_id: project } = await newAccount();
    const [older, newer] = [await newJob(key), await newJob(key)];
    await answered(send("POST", `${V1}/jobs/${older}/cancel`, key), 200, schema.job);
    const ids = async (query: string) =>
      (await answered(send("GET", `${V1}/jobs${query}`, key), 200, page(schema.jobSummary))).data.map((one) => one.id);
    expect(await ids("")).toEqual([newer, older]);
    expect(await ids("?status=cancelled")).toEqual([older]);
    expect(await ids("?status=queued&method=grpo")).toEqual([newer]);
    expect(await ids("?method=sft_text")).toEqual([]);
    expect(await ids(`?project_id=${project}`)).toEqual([newer, older]);
    expect(await refused(send("GET", `${V1}/jobs?status=done`, key))).toMatchObject({ status: 400, field: "status" });
  });

  it("can be cancelled once", async () => {
    const { api_key: key } = await newAccount();
    const job = await newJob(key);
    const cancelled = await answered(send("POST", `${V1}/jobs/${job}/cancel`, key), 200, schema.job);
    expect(cancelled).toMatchObject({ status: "cancelled", reason: { code: "cancelled" } });
    expect(await refused(send("POST", `${V1}/jobs/${job}/cancel`, key))).toMatchObject({
      status: 400,
      code: "not_cancellable",
    });
    expect(await refused(send("GET", `${V1}/jobs/${job}/model`, key))).toMatchObject({ status: 400 });
  });

  it("are paused and resumed, and an ended one is tried again as a new job", async () => {
    const { api_key: key } = await newAccount();
    const id = await newJob(key);
    const post = (verb: string, body?: object) => send("POST", `${V1}/jobs/${id}/${verb}`, key, body ? { body } : {});
    expect(await answered(post("pause"), 200, schema.job)).toMatchObject({ status: "paused", retry_of: null });
    expect(await refused(post("retry", {}))).toMatchObject({ status: 409, code: "illegal_transition" });
    expect(await answered(post("resume"), 200, schema.job)).toMatchObject({ status: "queued" });
    expect(await refused(post("resume"))).toMatchObject({ status: 409, code: "illegal_transition" });
    await answered(post("cancel"), 200, schema.job);
    expect(await refused(post("pause"))).toMatchObject({ status: 409, code: "illegal_transition" });
    const again = await answered(post("retry", { from: "start", max_duration_seconds: 5 }), 201, schema.job);
    expect(again).toMatchObject({ status: "queued", retry_of: id, spec: { max_duration_seconds: 5 } });
    expect(await refused(post("retry", { from: "middle" }))).toMatchObject({ status: 400, field: "from" });
    const theirs = await newAccount();
    expect(await refused(send("POST", `${V1}/jobs/${id}/pause`, theirs.api_key))).toMatchObject({ status: 404 });
  });

  it("have no metrics before the first step", async () => {
    const { api_key: key } = await newAccount();
    const job = await newJob(key);
    expect(await answered(send("GET", `${V1}/jobs/${job}/metrics`, key), 200, schema.metrics)).toEqual({
      metrics: [],
      available_keys: [],
      latest_step: null,
    });
  });
});

describe("a whole job", () => {
  it("is trained by an agent and read back through every route", async () => {
    const { api_key: key } = await newAccount();
    const agent = await newAgent(key);
    const job = await newJob(key);
    const held = await claim(agent.token);
    const report = async (body: object) => {
      const answer = await send("POST", `/agent/v1/leases/${held.lease_id}/reports`, agent.token, { body });
      expect(answer.status).toBe(200);
    };
    const ts_ms = Date.now();
    const metric = (step: number) => ({
      ...{ type: "metrics", kind: "train", ts_ms, step },
      values: { loss: 1 / step, reward: step / 2 },
    });
    await report({ lane: "data", seq: 1, items: [started(ts_ms), metric(1), metric(2)] });
    await report({ lane: "logs", seq: 1, lines: [{ ts_ms, stream: "stdout", line: "hello" }] });
    const running = await answered(send("GET", `${V1}/jobs/${job}`, key), 200, schema.job);
    expect(running).toMatchObject({
      status: "running",
      attempt: 1,
      gpu: { type: "L4-24GB", count: 1 },
      provider: "local",
      agent_id: `agent_${agent.agentId.replace("agent_", "")}`,
    });

    const bytes = new TextEncoder().encode("a model");
    const sha256 = await commitFinal(agent.token, held, bytes);
    const finish = { outcome: "completed", step: 2 };
    expect((await send("POST", `/agent/v1/leases/${held.lease_id}/finish`, agent.token, { body: finish })).status).toBe(
      200,
    );

    const done = await answered(send("GET", `${V1}/jobs/${job}`, key), 200, schema.job);
    expect(done).toMatchObject({ status: "completed", checkpoint_sha256: sha256, model: { step: 2 } });
    expect(done.completed_at).not.toBeNull();
    const model = await answered(send("GET", `${V1}/jobs/${job}/model`, key), 200, schema.model);
    expect(model).toMatchObject({ job_id: job, sha256, checkpoint_id: done.model?.checkpoint_id });
    expect(await downloaded(model.url)).toEqual([200, "a model"]);

    const metrics = await answered(send("GET", `${V1}/jobs/${job}/metrics?keys=reward`, key), 200, schema.metrics);
    expect(metrics).toEqual({
      metrics: [
        { step: 1, attempt: 1, values: { reward: 0.5 } },
        { step: 2, attempt: 1, values: { reward: 1 } },
      ],
      available_keys: expect.arrayContaining(["loss", "reward"]) as string[],
      latest_step: 2,
    });
    const events = await answered(send("GET", `${V1}/jobs/${job}/events`, key), 200, page(schema.event));
    expect(events.data.map((one) => one.event_type)).toEqual(
      expect.arrayContaining(["created", "submitted", "provisioning", "running", "checkpoint_committed", "completed"]),
    );
    const second = await answered(
      send("GET", `${V1}/jobs/${job}/events?limit=1&after=${String(events.data[0]?.id)}`, key),
      200,
      page(schema.event),
    );
    expect(second).toEqual({ data: [events.data[1]], has_more: true });

    const list = await answered(send("GET", `${V1}/jobs/${job}/checkpoints`, key), 200, page(schema.checkpoint));
    expect(list.data).toHaveLength(1);
    const checkpointPath = `${V1}/jobs/${job}/checkpoints/${list.data[0]?.id ?? ""}`;
    const detail = await answered(send("GET", checkpointPath, key), 200, schema.checkpointDetail);
    expect(detail).toMatchObject({ kind: "final", ordinal: 1, model_sha256: sha256 });
    expect(detail.files).toEqual([
      { role: "model", path: "model.tar.gz", size_bytes: 7, sha256, url: expect.stringContaining(ORIGIN) as string },
    ]);
  });

  it("streams everything once, from wherever the client left off", async () => {
    const { api_key: key } = await newAccount();
    const job = await newJob(key);
    await send("POST", `${V1}/jobs/${job}/cancel`, key);
    const whole = await send("GET", `${V1}/jobs/${job}/stream`, key);
    expect(whole.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const items = (await whole.text()).split("\n\n").filter((item) => item.startsWith("id: "));
    expect(items.at(-1)).toMatch(/event: end\ndata: \{"status":"cancelled"\}$/);
    for (const [index, item] of items.entries()) {
      const lastId = /^id: (\d+)/.exec(item)?.[1] ?? "";
      const rest = await send("GET", `${V1}/jobs/${job}/stream`, key, { headers: { "last-event-id": lastId } });
      const resumed = (await rest.text()).split("\n\n").filter((one) => one.startsWith("id: "));
      expect(resumed).toEqual(items.slice(index + 1));
      if (index === items.length - 1) expect(rest.status).toBe(204);
    }
    const error = await refused(send("GET", `${V1}/jobs/${job}/stream`, key, { headers: { "last-event-id": "x" } }));
    expect(error).toMatchObject({ status: 400, field: "Last-Event-ID" });
    expect(await refused(send("GET", `${V1}/jobs/job_01kdzv8rb200q9c8v3m4x5y6z7/stream`, key))).toMatchObject({
      status: 404,
    });
  });
});

describe("agents", () => {
  it("are admitted by tokens, listed and revoked", async () => {
    const { api_key: key } = await newAccount();
    const agent = await newAgent(key);
    const { data } = await answered(send("GET", `${V1}/agents`, key), 200, page(schema.agent));
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({ name: "bench", revoked_at: null, slots: [{ id: "gpu0" }] });
    const tokens = await answered(send("GET", `${V1}/agent_tokens`, key), 200, page(schema.token));
    expect(tokens.data).toMatchObject([{ reusable: false, agent_id: data[0]?.id }]);
    await answered(send("DELETE", `${V1}/agents/${data[0]?.id ?? ""}`, key), 200, schema.revoked);
    const body = { claim_id: crypto.randomUUID(), free_slots: data[0]?.slots, wait_ms: 0 };
    expect((await send("POST", "/agent/v1/leases", agent.token, { body })).status).toBe(401);
    expect(await refused(send("DELETE", `${V1}/agents/agent_none`, key))).toMatchObject({ status: 404 });
  });

  it("get tokens of at least a minute", async () => {
    const { api_key: key } = await newAccount();
    const made = send("POST", `${V1}/agent_tokens`, key, { body: { reusable: true, ttl_seconds: 600 } });
    const token = await answered(made, 201, schema.newToken);
    expect(Date.parse(token.expires_at) - Date.parse(token.created_at)).toBe(600_000);
    const short = send("POST", `${V1}/agent_tokens`, key, { body: { ttl_seconds: 1 } });
    expect(await refused(short)).toMatchObject({ status: 400, field: "ttl_seconds" });
  });
});

describe("a job of rows with labels", () => {
  const LABELLED = ["a", "b", "c", "a"].map((label, n) => JSON.stringify({ text: `t${String(n)}`, label })).join("\n");

  it("keeps how its rows are prepared and its checkpoints tested", async () => {
    const { api_key: key } = await newAccount();
    const dataset_id = await newDataset(key, LABELLED);
    const own = { name: "ends_well", format: "test", source: "def ends_well(i, e, p):\n    return 1.0\n" };
    const { id } = await answered(send("POST", `${V1}/functions`, key, { body: own }), 201, schema.fn);
    const asked = {
      description: "which is which",
      downsample_percent: 75,
      rebalance: { a: 0.5, b: 0.25, c: 0.25 },
      test: { split_percent: 25, functions: [{ id }, { id: "shared:classification_score" }] },
    };
    const base = { method: "classification", base_model: "anneal/tiny-bert", dataset_id, output_name: "labels" };
    const hyperparameters = { dynamic_loss: true, lr_scheduler: "cosine", optimizer: "adamw" };
    const body = { ...base, hyperparameters, ...asked };
    const job = await answered(send("POST", `${V1}/jobs`, key, { body }), 201, schema.job);
    expect(job.spec).toMatchObject({
      ...asked,
      rebalance: { by: "ratio", labels: asked.rebalance },
      test: { ...asked.test, dataset_id: null },
      hyperparameters,
      lineage: null,
    });
    for (const [wrong, field] of [
      [{ rebalance: { a: 0.5, b: 0.5 } }, "rebalance"],
      [{ test: { functions: [] } }, "test"],
      [{ test: { split_percent: 25, dataset_id, functions: [] } }, "test"],
      [{ test: { split_percent: 25, functions: [{ id: "shared:nope" }] } }, "test.functions"],
      [{ test: { split_percent: 25, functions: [{ id: "shared:ends_well" }] } }, "test.functions"],
      [{ test: { split_percent: 25, functions: [{ id }, { id }] } }, "test.functions"],
      [{ test: { dataset_id: `ds_${"0".repeat(26)}` } }, "test.dataset_id"],
      [{ hyperparameters: { warmup_ratio: 2 } }, "hyperparameters.warmup_ratio"],
      [{ method: "regression" }, "dataset_id"],
    ] as const) {
      const answer = await refused(send("POST", `${V1}/jobs`, key, { body: { ...base, ...wrong } }));
      expect([wrong, answer["field"]]).toEqual([wrong, field]);
    }
  });
});

describe("the document", () => {
  it("lists every operation", async () => {
    const answer = await exports.default.fetch(`${ORIGIN}/openapi/anneal.json`);
    const { paths } = await answer.json<{ paths: Record<string, Record<string, { operationId: string }>> }>();
    const documented = Object.values(paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    expect(documented.sort()).toEqual(annealDialect.routes.map((route) => route.operationId).sort());
  });

  it("unknown paths, methods and bodies are refused in the same shape", async () => {
    const { api_key: key } = await newAccount();
    expect(await refused(send("GET", `${V1}/nothing`, key))).toMatchObject({ status: 404 });
    expect(await refused(send("PUT", `${V1}/jobs`, key))).toMatchObject({ status: 405 });
    const headers = { "content-type": "application/json" };
    expect(await refused(send("POST", `${V1}/jobs`, key, { raw: "{", headers }))).toMatchObject({
      status: 400,
      code: "invalid_request",
    });
    const huge = `{"name":"${"x".repeat(1024 * 1024)}"}`;
    expect(await refused(send("POST", `${V1}/projects`, key, { raw: huge, headers }))).toMatchObject({ status: 413 });
  });
});
