/** The Training Module's sessions, keys, parameters and data, over HTTP. */
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ask, newAccountClient, WORKER_URL, type WorkerClient } from "../harness/worker-client";
import {
  configured,
  DATA,
  get,
  post,
  ROWS,
  started,
  uploaded,
  type Refusal,
  type Status,
} from "./training-module-setup";

const DEFAULTS = {
  model: "anneal/tiny-llama",
  task_type: "text-generation",
  batch_size: 1,
  epochs: 1,
  eval_metrics: ["loss", "perplexity"],
  epochs_per_test_run: 1,
  learning_rate: 2e-5,
  seed: 42,
  init_eval: false,
  cache_dir: null,
  overwrite_cache: false,
};

/** Every endpoint that takes a key, called well but for it. */
const KEYED: [string, string, unknown?][] = [
  ["POST", "/parameters/KEY", {}],
  ["POST", "/upload_dataset/KEY"],
  ["POST", "/preprocess/KEY"],
  ["POST", "/training/start/KEY"],
  ["POST", "/training/stop/KEY"],
  ["POST", "/training/stop/KEY?force_restart=1"],
  ["GET", "/monitor/KEY"],
  ["GET", "/model_ready/KEY"],
  ["GET", "/download_model/KEY"],
  ["GET", "/download_results/KEY"],
  ["POST", "/import_model/KEY?model_type=classification&model_name=anneal/tiny-bert"],
  ["GET", "/get_imported_model/KEY"],
  ["GET", "/get_imported_model/KEY?on_disk=1"],
];

async function call(client: WorkerClient, method: string, path: string, body?: unknown) {
  const headers: Record<string, string> = { authorization: `Bearer ${client.apiKey}` };
  if (path.startsWith("/upload_dataset")) {
    const form = new FormData();
    for (const field of ["train_file", "test_file"]) form.set(field, new File([ROWS], "rows.jsonl"));
    return ask<Refusal>(path, { method, headers, body: form });
  }
  if (body !== undefined) headers["content-type"] = "application/json";
  return ask<Refusal>(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}

describe("a session", () => {
  it("is begun once, and its key is told", async () => {
    const client = await newAccountClient();
    const key = (await client.get<Status>("/start_session")).body.key ?? "";
    expect(key).toMatch(/^tm_[\w-]{43}$/);
    const second = await client.get<Refusal>("/start_session");
    expect(second.status).toBe(409);
    expect(second.body.detail).toContain("state 'setup'");
    expect(second.body.detail).toContain("force_restart=1");
    expect((await client.get<Status>("/status")).body).toMatchObject({ status: "setup", import_status: "none" });
    expect((await client.get<Status>("/parameters")).body).toMatchObject({ key, config: DEFAULTS });
  });

  it("is not begun by a HEAD", async () => {
    const client = await newAccountClient();
    const headers = { authorization: `Bearer ${client.apiKey}` };
    const head = await exports.default.fetch(`${WORKER_URL}/start_session`, { method: "HEAD", headers });
    expect([head.status, head.headers.get("allow")]).toEqual([405, "GET"]);
    expect((await client.get<Status>("/status")).body.status).toBe("none");
  });

  it("is wiped by force_restart: the old key is dead, everything else is as in the beginning", async () => {
    const { client, key } = await started();
    expect((await client.post(`/parameters/${key}`, { epochs: 7 })).status).toBe(200);
    const again = await client.get<Status>("/start_session?force_restart=1");
    expect(again.status).toBe(200);
    expect(again.body.key).not.toBe(key);
    expect((await client.get(`/monitor/${key}`)).status).toBe(404);
    expect((await client.get(`/monitor/${again.body.key ?? ""}`)).status).toBe(200);
    expect((await client.get<Status>("/parameters")).body.config).toEqual(DEFAULTS);
  });

  it("ends with stop and force_restart, in whatever state", async () => {
    const { client, key } = await started();
    const stopped = await client.post<Status>(`/training/stop/${key}?force_restart=1`);
    expect([stopped.status, stopped.body.status]).toEqual([200, "none"]);
    expect((await client.get(`/monitor/${key}`)).status).toBe(404);
    expect((await client.get("/parameters")).status).toBe(404);
  });

  it("ends with its project", async () => {
    const { client, key } = await started();
    const project = await client.post<{ id: string }>("/anneal/v1/projects", { name: "to go" });
    const bare = project.body.id.replace("ms-", "");
    // As if the key that began it had been of that project, and was revoked since.
    const moved = await env.DB.prepare(
      "UPDATE module_sessions SET project_id = ? WHERE ended_at_ms IS NULL AND account_id = (SELECT account_id FROM projects WHERE id = ?)",
    )
      .bind(bare, bare)
      .run();
    expect(moved.meta.changes).toBe(1);
    expect((await client.delete(`/anneal/v1/projects/${project.body.id}`)).status).toBeLessThan(300);
    expect((await client.get<Status>("/status")).body.status).toBe("none");
    expect((await client.get(`/monitor/${key}`)).status).toBe(404);
  });

  it("has exactly one key, 50 times two at once", async () => {
    const client = await newAccountClient();
    for (let round = 0; round < 50; round += 1) {
      const both = await Promise.all([0, 1].map(() => client.get<Status>("/start_session")));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      const key = both.find(({ status }) => status === 200)?.body.key ?? "";
      expect((await client.get<Status>("/parameters")).body.key).toBe(key);
      expect((await client.post(`/training/stop/${key}?force_restart=1`)).status).toBe(200);
    }
  }, 60_000);

  it("has exactly one good key when several restart it by force at once", async () => {
    const { client } = await started();
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all([0, 1, 2].map(() => client.get<Status>("/start_session?force_restart=1")));
      const keys = answers.flatMap(({ body: { key } }) => (key === undefined ? [] : [key]));
      const good = await Promise.all(keys.map(async (key) => (await client.get(`/monitor/${key}`)).status === 200));
      expect(good.filter((isGood) => isGood)).toEqual([true]);
    }
  });
});

describe("a key", () => {
  it.each(KEYED)("is checked: %s %s", async (method, path, body) => {
    const { client, key } = await started();
    const other = await started();
    const last = key.endsWith("A") ? "E" : "A";
    const wrong = [other.key, `${key.slice(0, -1)}${last}`, `${key}A`, key.slice(0, -1), "x", `${key.slice(0, -1)}!`];
    const answers = await Promise.all(wrong.map((text) => call(client, method, path.replace("KEY", text), body)));
    const unbegun = await call(await newAccountClient(), method, path.replace("KEY", key), body);
    for (const answer of [...answers, unbegun]) {
      const detail = "no active session has this key; GET /start_session begins one";
      expect([answer.status, answer.body]).toEqual([404, { detail }]);
    }
    // Another account's API key with this session's key.
    expect((await call(other.client, method, path.replace("KEY", key), body)).status).toBe(404);
    expect((await call(client, method, path.replace("KEY", key), body)).status).not.toBe(404);
  });

  it("is nowhere in the database", async () => {
    const { key } = await started();
    const rows = await env.DB.prepare("SELECT * FROM module_sessions").all();
    expect(JSON.stringify(rows.results)).not.toContain(key.slice(3));
  });
});

describe("the parameters", () => {
  it("are set one by one, shown whole, and put back by null", async () => {
    const session = await started();
    const answer = await post(session, "/parameters/KEY", { task_type: "classification", model: "BERT", epochs: 5 });
    expect(answer.status).toBe(200);
    const config = {
      ...DEFAULTS,
      ...{ task_type: "classification", model: "BERT", epochs: 5, batch_size: 16 },
      eval_metrics: ["loss", "accuracy", "f1"],
    };
    expect(answer.body).toMatchObject({ status: "setup", key: session.key, config });
    const more = { seed: 0, init_eval: true, cache_dir: " c ", overwrite_cache: true, epochs: null };
    expect((await post(session, "/parameters/KEY", more)).body.config).toEqual({
      ...{ ...config, epochs: 3 },
      ...{ seed: 0, init_eval: true, cache_dir: "c", overwrite_cache: true },
    });
    expect((await get(session, "/parameters")).body.config).toMatchObject({ seed: 0, cache_dir: "c", model: "BERT" });
  });

  it.each<[string, unknown, (string | number)[], string]>([
    ["a text for a whole number", { epochs: "three" }, ["body", "epochs"], "int_type"],
    ["a text for a number", { learning_rate: "fast" }, ["body", "learning_rate"], "float_type"],
    ["no body", undefined, ["body"], "missing"],
    ["a fraction", { batch_size: 1.5 }, ["body", "batch_size"], "int_type"],
    ["no epoch", { epochs: 0 }, ["body", "epochs"], "greater_than_equal"],
    [
      "too many epochs between tests",
      { epochs_per_test_run: 10_001 },
      ["body", "epochs_per_test_run"],
      "less_than_equal",
    ],
    ["an empty text", { model: "" }, ["body", "model"], "string_too_short"],
    ["a blank text", { cache_dir: "  " }, ["body", "cache_dir"], "string_too_short"],
    ["a long text", { cache_dir: "c".repeat(151) }, ["body", "cache_dir"], "string_too_long"],
    ["an empty list", { eval_metrics: [] }, ["body", "eval_metrics"], "too_short"],
    ["a long list", { eval_metrics: Array(31).fill("loss") }, ["body", "eval_metrics"], "too_long"],
    ["an empty text in a list", { eval_metrics: ["loss", ""] }, ["body", "eval_metrics", 1], "string_too_short"],
    ["a text for a flag", { init_eval: "yes" }, ["body", "init_eval"], "bool_type"],
    ["a text for a list", { eval_metrics: "loss" }, ["body", "eval_metrics"], "list_type"],
    ["a number in a list of texts", { eval_metrics: ["loss", 1] }, ["body", "eval_metrics", 1], "string_type"],
    ["another task", { task_type: "vision" }, ["body", "task_type"], "enum"],
    ["an unknown parameter", { epoch: 1 }, ["body", "epoch"], "extra_forbidden"],
    ["no JSON", "{", ["body"], "json_invalid"],
    ["a list", [], ["body"], "model_attributes_type"],
    ["a metric twice", { eval_metrics: ["loss", "loss"] }, ["body", "eval_metrics"], "value_error"],
    ["a metric of another task", { eval_metrics: ["accuracy"] }, ["body", "eval_metrics"], "value_error"],
    ["a rate beyond what trains", { learning_rate: 0 }, ["body", "learning_rate"], "value_error"],
    ["a batch beyond what is possible", { batch_size: 100_000 }, ["body", "batch_size"], "value_error"],
    ["a name that is no model's", { model: "no such model" }, ["body", "model"], "value_error"],
    ["a path", { model: "/etc" }, ["body", "model"], "value_error"],
    ["a model that the task cannot train", { model: "BERT" }, ["body", "model"], "value_error"],
  ])("refuse %s with 422", async (_, body, loc, type) => {
    const session = await started();
    const answer = await post<Refusal>(session, "/parameters/KEY", body);
    expect([answer.status, answer.body.detail]).toEqual([422, [{ loc, msg: expect.stringMatching(/./), type }]]);
    expect((await get(session, "/parameters")).body.config).toEqual(DEFAULTS);
  });

  it("are JSON", async () => {
    const session = await started();
    const path = `/parameters/${session.key}`;
    const authorization = `Bearer ${session.client.apiKey}`;
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
      const headers = { authorization, "content-type": type };
      const answer = await ask<Refusal>(path, { method: "POST", headers, body: '{"epochs":3}' });
      const detail = [{ loc: ["body"], msg: expect.stringContaining("Content-Type"), type: "model_attributes_type" }];
      expect([answer.status, answer.body]).toEqual([422, { detail }]);
    }
  });

  it("tell all that is wrong with them at once", async () => {
    const answer = await post<Refusal>(await started(), "/parameters/KEY", { epochs: "x", seed: -1, model: 3, x: 1 });
    expect(answer.body.detail).toMatchObject([
      { loc: ["body", "model"] },
      { loc: ["body", "epochs"] },
      { loc: ["body", "seed"] },
      { loc: ["body", "x"] },
    ]);
  });

  it.each<[unknown, string]>([
    [{ eval_metrics: ["accuracy"] }, "has no 'accuracy' for text-generation; known: loss, perplexity, token_accuracy"],
    [{ eval_metrics: ["sft_text"] }, "has no 'sft_text' for text-generation; known: loss, perplexity, token_accuracy"],
    [{ model: "BERT" }, "BERT cannot be trained for text-generation; it can for classification, regression, embedding"],
  ])("are refused in the words of this API: %j", async (body, msg) => {
    const answer = await post<Refusal>(await started(), "/parameters/KEY", body);
    expect(answer.body.detail).toEqual([{ loc: ["body", Object.keys(body as object)[0]], msg, type: "value_error" }]);
  });

  it("refuse a force_restart that is no number", async () => {
    const session = await started();
    for (const [method, path] of [
      ["GET", "/start_session?force_restart=maybe"],
      ["POST", `/training/stop/${session.key}?force_restart=`],
    ] as const) {
      const answer = await call(session.client, method, path);
      const detail = [{ loc: ["query", "force_restart"], msg: expect.any(String), type: "int_parsing" }];
      expect([answer.status, answer.body]).toEqual([422, { detail }]);
    }
  });
});

describe("the data", () => {
  it("comes as two files in whatever order, and the last ones count", async () => {
    const session = await started();
    const answer = await uploaded(session, { test_file: ROWS, train_file: ROWS + ROWS });
    expect(answer.body).toMatchObject({ status: "setup", message: expect.stringContaining("4 rows to train on, 2") });
    expect((await uploaded(session, DATA)).body.message).toContain("2 rows to train on, 2");
  });

  it.each<[string, Record<string, string>, number, unknown]>([
    [
      "a missing file",
      { train_file: ROWS },
      422,
      [{ loc: ["body", "test_file"], msg: "Field required", type: "missing" }],
    ],
    [
      "another file",
      { ...DATA, extra: ROWS },
      422,
      [{ loc: ["body", "extra"], msg: "is not a field of this form", type: "value_error" }],
    ],
    ["a bad line", { ...DATA, test_file: `${ROWS}{"text":` }, 400, expect.stringMatching(/^test_file: .*line 3/)],
    ["an empty file", { ...DATA, train_file: "" }, 400, expect.stringMatching(/^train_file: /)],
    [
      "no rows of a known kind",
      { ...DATA, train_file: '{"x":1}\n' },
      400,
      expect.stringMatching(/^train_file: .*'messages'/),
    ],
  ])("is refused with %s, and nothing of it is kept", async (_, files, status, detail) => {
    const session = await started();
    const answer = await uploaded<Refusal>(session, files);
    expect([answer.status, answer.body]).toEqual([status, { detail }]);
    const kept = await session.client.get<{ data: unknown[] }>("/anneal/v1/datasets");
    expect(kept.body.data).toEqual([]);
    const early = await post<Refusal>(session, "/preprocess/KEY");
    expect([early.status, early.body.detail]).toEqual([409, expect.stringContaining("POST /upload_dataset/{key}")]);
  });

  it("comes from uploads in pieces too", async () => {
    const session = await started();
    const { client } = session;
    const piece = async (text: string): Promise<string> => {
      const made = await client.post<{ id: string }>("/anneal/v1/uploads", {
        filename: "rows.jsonl",
        size_bytes: text.length,
      });
      const sent = await client.put(`/anneal/v1/uploads/${made.body.id}`, text);
      const done = await client.post(`/anneal/v1/uploads/${made.body.id}/complete`, {});
      expect([made.status, sent.status, done.status]).toEqual([201, 200, 200]);
      return made.body.id;
    };
    const body = { train_upload_id: await piece(ROWS + ROWS), test_upload_id: await piece(ROWS) };
    const wrong = await post<Refusal>(session, "/upload_dataset/KEY", { ...body, test_upload_id: "up_none" });
    expect([wrong.status, wrong.body.detail]).toEqual([400, expect.stringMatching(/^test_upload_id: .*not found/)]);
    const missing = await post<Refusal>(session, "/upload_dataset/KEY", { train_upload_id: body.train_upload_id });
    const loc = ["body", "test_upload_id"];
    expect([missing.status, missing.body.detail]).toEqual([422, [{ loc, msg: "Field required", type: "missing" }]]);
    const answer = await post(session, "/upload_dataset/KEY", body);
    expect(answer.body).toMatchObject({ message: expect.stringContaining("4 rows to train on, 2") });
  });

  it("is refused above the limit of a form, with the way that is left", async () => {
    const session = await started();
    const answer = await ask<Refusal>(`/upload_dataset/${session.key}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${session.client.apiKey}`,
        ...{ "content-type": "multipart/form-data; boundary=x", "content-length": String(2 ** 30) },
      },
      body: "x",
    });
    expect([answer.status, answer.body.detail]).toEqual([
      413,
      expect.stringMatching(/95 MiB.*name the train_upload_id and the test_upload_id here$/),
    ]);
  });

  it("is told that a file's name is too long", async () => {
    const session = await started();
    const form = new FormData();
    form.set("train_file", new File([ROWS], "rows.jsonl"));
    form.set("test_file", new File([ROWS], `${"n".repeat(201)}.jsonl`));
    const headers = { authorization: `Bearer ${session.client.apiKey}` };
    const answer = await ask<Refusal>(`/upload_dataset/${session.key}`, { method: "POST", headers, body: form });
    const detail = "test_file: the file's name must have 1 to 200 characters";
    expect([answer.status, answer.body]).toEqual([400, { detail }]);
  });

  it.each([
    ["another body", { headers: { "content-type": "text/csv" }, body: ROWS }],
    ["no body", {}],
    ["a form without files", { headers: { "content-type": "multipart/form-data; boundary=x" }, body: "--x--\r\n" }],
  ])("must be a form with both files: %s", async (_, { headers, body }: { headers?: object; body?: string }) => {
    const session = await started();
    const answer = await ask<Refusal>(`/upload_dataset/${session.key}`, {
      method: "POST",
      headers: { authorization: `Bearer ${session.client.apiKey}`, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const missing = ["train_file", "test_file"].map((name) => {
      return { loc: ["body", name], msg: "Field required", type: "missing" };
    });
    expect([answer.status, answer.body]).toEqual([422, { detail: missing }]);
  });

  it("is told of a part that comes while a file is read, by the part's own name", async () => {
    const session = await started();
    const long = ROWS.repeat(20_000);
    const answer = await uploaded<Refusal>(session, { train_file: ROWS, test_file: long, extra: ROWS });
    expect([answer.status, answer.body.detail]).toEqual([422, [expect.objectContaining({ loc: ["body", "extra"] })]]);
  });
});

describe("a call in the wrong state", () => {
  it.each([
    ["POST", "/training/start/KEY", "'preprocessed'"],
    ["POST", "/training/stop/KEY", "'training'"],
    ["GET", "/download_model/KEY", "'trained'"],
    ["GET", "/download_results/KEY", "'trained'"],
  ])("says the state and what would be right: %s %s in setup", async (method, path, right) => {
    const { client, key } = await started();
    const answer = await call(client, method, path.replace("KEY", key));
    expect(answer.status).toBe(409);
    expect(answer.body.detail).toContain(right);
    expect(answer.body.detail).toContain("the state is 'setup'; next: POST /upload_dataset/{key}");
  });

  it.each(["/parameters/KEY", "/upload_dataset/KEY", "/preprocess/KEY"])(
    "is refused once preprocessing has begun: POST %s",
    async (path) => {
      const session = await configured({ model: "anneal/tiny-bert" });
      expect((await post(session, "/preprocess/KEY")).status).toBe(200);
      const body = path.startsWith("/parameters") ? {} : undefined;
      const answer = await call(session.client, "POST", path.replace("KEY", session.key), body);
      expect(answer.status).toBe(409);
      expect(answer.body.detail).toContain("'setup', and the state is 'preprocessing'; GET /preprocess_status");
    },
  );

  it("is answered without a session too", async () => {
    const client = await newAccountClient();
    for (const path of ["/status", "/preprocess_status", "/import_status"]) {
      expect((await client.get<Status>(path)).body).toMatchObject({ status: "none", import_status: "none" });
    }
    const answer = await client.get<Refusal>("/parameters");
    expect([answer.status, answer.body.detail]).toEqual([404, expect.stringContaining("GET /start_session")]);
  });
});

describe("the dialect", () => {
  it("answers all its refusals in one shape", async () => {
    const wrongMethod = await ask<Refusal>("/start_session", { method: "DELETE" });
    expect([wrongMethod.status, wrongMethod.body]).toEqual([405, { detail: "this path takes GET" }]);
    const noKey = await ask<Refusal>("/status");
    expect([noKey.status, Object.keys(noKey.body)]).toEqual([401, ["detail"]]);
  });

  it("wants a key's scopes, and begins nothing with a key that only reads", async () => {
    const { client } = await started();
    const made = await client.post<{ key: string }>("/anneal/v1/keys", { name: "reader", scopes: ["read"] });
    const headers = { authorization: `Bearer ${made.body.key}` };
    expect((await ask("/start_session?force_restart=1", { headers })).status).toBe(403);
    expect((await ask("/status", { headers })).status).toBe(200);
  });

  it("documents both bodies of the data, and both answers of an imported model", async () => {
    interface Content {
      content: object;
    }
    const { body } = await ask<{
      paths: Record<string, Record<string, { requestBody: Content; responses: Record<string, Content> }>>;
    }>("/openapi/training-module.json");
    const upload = body.paths["/upload_dataset/{key}"]?.["post"]?.requestBody.content ?? {};
    expect(Object.keys(upload)).toEqual(["multipart/form-data", "application/json"]);
    const imported = body.paths["/get_imported_model/{key}"]?.["get"]?.responses["200"]?.content ?? {};
    expect(Object.keys(imported)).toEqual(["application/octet-stream", "application/json"]);
  });

  it("documents 422 and the sentence for every operation that can be refused by name", async () => {
    const { body } = await ask<{ paths: Record<string, Record<string, { responses: object }>> }>(
      "/openapi/training-module.json",
    );
    const operations = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { responses }]) => ({ name: `${method} ${path}`, responses })),
    );
    expect(operations.length).toBe(17);
    for (const { name, responses } of operations) {
      if (name.includes("{key}"))
        expect([name, Object.keys(responses)]).toEqual([name, expect.arrayContaining(["422", "404", "409"])]);
      if (name === "get /healthcheck") expect(Object.keys(responses)).not.toContain("401");
    }
  });
});
