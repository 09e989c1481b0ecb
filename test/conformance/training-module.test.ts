/** The Training Module's sessions, keys, parameters and data, over HTTP. */
import { env, exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ask, newAccountClient, WORKER_URL, type WorkerClient } from "../harness/worker-client";

interface Status {
  status: string;
  message: string;
  import_status: string;
  key?: string;
  config?: Record<string, unknown>;
}
interface Refusal {
  detail: string | { loc: (string | number)[]; msg: string; type: string }[];
}

const ROWS = '{"text":"good","label":"yes"}\n{"text":"bad","label":"no"}\n';
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

async function started(): Promise<{ client: WorkerClient; key: string }> {
  const client = await newAccountClient();
  const answer = await client.get<Status>("/start_session");
  expect([answer.status, answer.body]).toEqual([200, expect.objectContaining({ status: "setup" })]);
  return { client, key: answer.body.key ?? "" };
}

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
    const { client, key } = await started();
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

  it("has exactly one key, 50 times two at once", async () => {
    const client = await newAccountClient();
    for (let round = 0; round < 50; round += 1) {
      const both = await Promise.all([0, 1].map(() => client.get<Status>("/start_session")));
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      const key = both.find(({ status }) => status === 200)?.body.key ?? "";
      expect((await client.get<Status>("/parameters")).body.key).toBe(key);
      expect((await client.post(`/training/stop/${key}?force_restart=1`)).status).toBe(200);
    }
  });

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
