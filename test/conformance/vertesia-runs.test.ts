/** Runs of the Vertesia dialect: imported, listed, found, counted, cloned; and as training data reads them. */
import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { services } from "../../worker/container";
import { MAX_BODIES_BYTES } from "../../worker/domain/run-ports";
import { databases } from "../../worker/stores/database";
import { D1RunStore } from "../../worker/stores/run-store";
import type { Services } from "../../worker/services/services";
import { ask, newAccountClient, type Answer, type WorkerClient } from "../harness/worker-client";
import { newSession, TRAINING } from "./vertesia-setup";

const NDJSON = { "content-type": "application/x-ndjson" };
const RUNS = "/api/v1/runs";

interface Imported {
  imported: number;
  runs: string[];
  message: string;
}

interface Run {
  id: string;
  interaction: { id: string };
  status: string;
  tags: string[];
  created_at: string;
  prompt?: unknown;
  result?: unknown;
  message?: string;
  [name: string]: unknown;
}

function sent(rows: unknown[]): string {
  return rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n");
}

async function send(client: WorkerClient, rows: unknown[]): Promise<Answer<Imported>> {
  return client.post<Imported>(`${RUNS}/import`, sent(rows), NDJSON);
}

async function imported(client: WorkerClient, rows: unknown[]): Promise<string[]> {
  const answer = await send(client, rows);
  expect([answer.status, answer.body.imported]).toEqual([200, rows.length]);
  return answer.body.runs;
}

async function list(client: WorkerClient, query = ""): Promise<string[]> {
  const answer = await client.get<Run[]>(`${RUNS}${query}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body.map(({ id }) => id);
}

async function newEnvironment(client: WorkerClient, more: Record<string, unknown> = {}): Promise<string> {
  const answer = await client.post<{ id: string }>("/api/v1/environments", {
    name: "lab",
    provider: "openai",
    ...more,
  });
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer.body.id;
}

const PROMPT = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "What is 1+1?" },
];

function row(more: Record<string, unknown> = {}): Record<string, unknown> {
  return { interaction: "Sum@2", prompt: PROMPT, result: [{ type: "text", value: "2" }], status: "completed", ...more };
}

describe("importing", () => {
  it("keeps a row as it can be retrieved, and takes again what it has answered", async () => {
    const client = await newAccountClient();
    const environment = await newEnvironment(client);
    const full = row({
      ...{ environment, model: "anneal/tiny-llama", tags: ["a", "b", "a"], token_use: { prompt: 10, completion: 20 } },
      ...{ execution_time: 0.5, finish_reason: "stop", created_at: "2023-08-22T14:12:34.567Z", parameters: { a: 1 } },
      ...{ config: { model_options: { temperature: 0 } }, result_schema: { type: "string" }, evaluation: { score: 1 } },
    });
    const [id = ""] = await imported(client, [full]);
    const retrieved = (await client.get<Run>(`${RUNS}/${id}`)).body;
    expect(retrieved).toMatchObject({
      ...{ id, prompt: PROMPT, result: full["result"], status: "completed", modelId: "anneal/tiny-llama" },
      ...{ interaction: { id: "Sum@2", name: "Sum", version: 2 }, tags: ["a", "b"], parameters: { a: 1 } },
      ...{
        environment: { id: environment, name: "lab", provider: "openai" },
        execution_time: 0.5,
        finish_reason: "stop",
      },
      token_use: { prompt: 10, completion: 20, result: 20, total: 30 },
      created_at: "2023-08-22T14:12:34.567Z",
      config: { environment, model: "anneal/tiny-llama", model_options: { temperature: 0 } },
      ...{ result_schema: { type: "string" }, evaluation: { score: 1 }, account: { name: "test account" } },
      project: { id: expect.stringMatching(/^ms-/) as string, name: "default" },
    });
    const [again = ""] = await imported(client, [retrieved]);
    const { id: _, updated_at: _at, interaction: first, ...rest } = (await client.get<Run>(`${RUNS}/${again}`)).body;
    expect(first).toMatchObject({ name: "Sum" });
    const { id: _id, updated_at: _was, interaction: _i, ...was } = retrieved;
    expect(rest).toEqual(was);
  });

  it.each<[string, unknown, string]>([
    ["is no JSON", '{"interaction":', "line 3 is not valid JSON"],
    ["is no object", "[1]", "line 3 is not a JSON object"],
    ["lacks its prompt", { ...row(), prompt: undefined }, "line 3 is wrong in prompt: is required"],
    ["lacks its interaction", row({ interaction: null }), "line 3 is wrong in interaction: is required"],
    ["has an interaction of no kind", row({ interaction: 5 }), "line 3 is wrong in interaction: is of another kind"],
    ["has no segment", row({ prompt: [] }), "line 3 is wrong in prompt: must have a segment"],
    ["has a role that there is not", row({ prompt: [{ role: "king", content: "" }] }), "wrong in prompt.0.role"],
    ["has a result of no kind", row({ result: [{ type: "song", value: "" }] }), "wrong in result.0.type"],
    ["has a text that is none", row({ result: [{ type: "text", value: 2 }] }), "wrong in result.0.value"],
    ["has another status", row({ status: "done" }), "line 3 is wrong in status"],
    ["has a name that no run has", row({ colour: "red" }), "line 3 has colour"],
    ["says two models", row({ model: "a", modelId: "b" }), "line 3 is wrong in modelId"],
    ["names an environment that is not there", row({ environment: `01k${"0".repeat(23)}` }), "wrong in environment"],
    ["names a parent that is not there", row({ parent: `01k${"0".repeat(23)}` }), "line 3 is wrong in parent"],
    ["is too long", row({ parameters: "x".repeat(1024 * 1024) }), "line 3 is longer than 1 MiB"],
  ])("refuses a row that %s by its line, and keeps none", async (_, wrong, message) => {
    const client = await newAccountClient();
    const answer = await send(client, [row(), row({ tags: ["t"] }), wrong, row()]);
    expect(answer.status).toBe(400);
    expect(answer.body.message).toContain(message);
    expect(answer.body.message).toContain("none of the rows was kept");
    expect(await list(client)).toEqual([]);
  });

  it("takes a name without a value for one that is left out", async () => {
    const client = await newAccountClient();
    const names = ["result", "tags", "environment", "model", "token_use", "created_at", "config", "error", "parent"];
    const [id = ""] = await imported(client, [row(Object.fromEntries(names.map((name) => [name, null])))]);
    expect((await client.get<Run>(`${RUNS}/${id}`)).body).toMatchObject({ result: [], tags: [], environment: null });
  });

  it("takes many rows as they stream in, and takes them away again for a wrong one at the end", async () => {
    const client = await newAccountClient();
    const headers = { ...NDJSON, authorization: `Bearer ${client.apiKey}` };
    const post = async (rows: number, end: string) => {
      const line = `${JSON.stringify(row({ tags: ["many"], parameters: { filler: "x".repeat(300) } }))}\n`;
      const piece = new TextEncoder().encode(line.repeat(500));
      let left = rows / 500;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          controller.enqueue(left > 0 ? piece.slice() : new TextEncoder().encode(end));
          left -= 1;
          if (left < 0) controller.close();
        },
      });
      return ask<Imported>(`${RUNS}/import`, { method: "POST", body, headers });
    };
    const wrong = await post(10_000, "no row\n");
    expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringContaining("line 10001 is not valid JSON")]);
    expect(await list(client, "?tag=many")).toEqual([]);
    const answer = await post(30_000, "\n");
    expect([answer.status, answer.body.imported, new Set(answer.body.runs).size]).toEqual([200, 30_000, 30_000]);
    // Newest first, and in the order of the rows.
    expect(await list(client, "?tag=many&limit=2")).toEqual(answer.body.runs.slice(-2).reverse());
    expect(await list(client, "?limit=5&offset=29998")).toEqual(answer.body.runs.slice(0, 2).reverse());
  }, 30_000);

  it("takes a byte order mark away at its beginning, and refuses one anywhere else", async () => {
    const client = await newAccountClient();
    const line = JSON.stringify(row());
    expect((await send(client, [`\ufeff${line}`, line])).body.imported).toBe(2);
    expect((await send(client, [line, `\ufeff${line}`])).body.message).toContain("line 2 is not valid JSON");
  });

  it("takes many tags on many rows", async () => {
    const client = await newAccountClient();
    const tags = Array.from({ length: 50 }, (_, n) => `t${String(n)}`);
    const ids = await imported(
      client,
      Array.from({ length: 2000 }, () => row({ tags })),
    );
    expect(await list(client, "?tag=t49&limit=1&offset=1999")).toEqual([ids[0]]);
  });

  it("refuses an environment that is for other projects", async () => {
    const client = await newAccountClient();
    const { id } = (await client.post<{ id: string }>("/anneal/v1/projects", { name: "other" })).body;
    const environment = await newEnvironment(client, { allowed_projects: [id] });
    expect((await send(client, [row({ environment })])).body.message).toContain("line 1 is wrong in environment");
  });

  it("refuses other media types, an empty body and a caller who may only read", async () => {
    const client = await newAccountClient();
    expect((await client.post(`${RUNS}/import`, [row()])).status).toBe(415);
    const empty = await send(client, []);
    expect([empty.status, empty.body.message]).toEqual([400, "the body has no rows"]);
    const { key } = (await client.post<{ key: string }>("/anneal/v1/keys", { name: "r", scopes: ["read"] })).body;
    const headers = { ...NDJSON, authorization: `Bearer ${key}` };
    expect((await ask(`${RUNS}/import`, { method: "POST", body: sent([row()]), headers })).status).toBe(403);
  });
});

describe("an import that does not come to its end", () => {
  const MINUTE_MS = 60_000;
  /** More than one round of the sweep. */
  const MANY = 13_000;

  afterEach(() => vi.useRealTimers());

  /** Only the clock stands still and is moved: whoever waits still waits. */
  function moveClock(byMs: number): void {
    const nowMs = Date.now() + byMs;
    vi.useRealTimers();
    vi.useFakeTimers({ toFake: ["Date"], now: nowMs });
  }

  /** With the services of a request whose end nobody waits for. */
  function apart<T>(work: (s: Services) => Promise<T>): Promise<T> {
    const ctx = createExecutionContext();
    return work(services(env, (later) => ctx.waitUntil(later)));
  }

  const sweep = () => apart((s) => s.sweepImports());

  /**
   * One whose sender gives each piece when it is told to, and which has kept the pieces before by then, but for the rows of
   * one batch. Never told again, it is as if its worker had died there: nothing is taken away.
   */
  async function importOf(client: WorkerClient) {
    const { principal } = await apart((s) => s.authenticate(client.apiKey, "write", { kind: "none" }));
    const pieces = new TransformStream<Uint8Array, Uint8Array>();
    const writer = pieces.writable.getWriter();
    const answer = apart((s) => s.importRuns(principal, pieces.readable));
    answer.catch(() => null);
    const give = async (rows: number) => {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(row({ tags: ["t", "u"] }))}\n`.repeat(rows)));
      // A piece is only asked for when the one before has been worked off: this one is empty.
      await writer.write(new Uint8Array());
    };
    return { principal, give, answer, end: () => writer.close() };
  }

  /** What there is in D1, whoever may see it. */
  async function rowsOf(projectId: string): Promise<Record<"runs" | "tags" | "imports", number>> {
    const counted = ["runs", "run_tags", "run_imports"].map((table) =>
      env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE project_id = ?`).bind(projectId),
    );
    const [runs = 0, tags = 0, imports = 0] = (await env.DB.batch<{ n: number }>(counted)).map(
      ({ results }) => results[0]?.n,
    );
    return { runs, tags, imports };
  }

  it("is seen by nobody, and its rows go half an hour after its last batch", async () => {
    const client = await newAccountClient();
    const [kept = ""] = await imported(client, [row({ tags: ["t"] })]);
    const died = await importOf(client);
    const { projectId } = died.principal;
    await died.give(MANY);
    const left = await rowsOf(projectId);
    expect(left.runs).toBeGreaterThan(10_001);
    expect(left).toEqual({ runs: left.runs, tags: left.runs * 2 - 1, imports: 1 });
    const newest = env.DB.prepare("SELECT max(id) AS id FROM runs WHERE project_id = ?").bind(projectId);
    const unseen = (await newest.first<string>("id")) ?? "";
    expect([await list(client), await list(client, "?tag=t")]).toEqual([[kept], [kept]]);
    const facets = [{ name: "interactions", field: "interaction" }];
    expect((await client.post(`${RUNS}/facets`, { facets, query: {} })).body).toEqual({
      total: 1,
      interactions: [bucket("Sum@2", 1)],
    });
    expect((await client.post<Run[]>(`${RUNS}/find`, { query: { id: unseen } })).body).toEqual([]);
    expect((await client.get(`${RUNS}/${unseen}`)).status).toBe(404);
    const session = await newSession({ client, env: await newEnvironment(client) });
    expect((await client.post(`${TRAINING}/${session}/add`, { runs: [kept, unseen] })).status).toBe(400);
    const clone = { source_run_id: unseen, workflow: { run_id: "r", workflow_id: "w" } };
    expect((await client.post(`${RUNS}/clone`, clone)).status).toBe(404);
    expect((await send(client, [row({ parent: unseen })])).body.message).toContain("wrong in parent");

    await sweep();
    expect(await rowsOf(projectId)).toEqual(left);
    moveClock(31 * MINUTE_MS);
    await sweep();
    expect(await rowsOf(projectId)).toEqual({ runs: left.runs - 10_000, tags: left.tags - 20_000, imports: 1 });
    expect(await list(client)).toEqual([kept]);
    await sweep();
    expect(await rowsOf(projectId)).toEqual({ runs: 1, tags: 1, imports: 0 });
    expect(await list(client, "?tag=t")).toEqual([kept]);
  }, 30_000);

  it("is refused when its sender comes back after the sweep has begun on it, and keeps none", async () => {
    const client = await newAccountClient();
    for (const comesBack of ["with more", "with the end"]) {
      const late = await importOf(client);
      await late.give(MANY);
      moveClock(31 * MINUTE_MS);
      await sweep();
      expect(await rowsOf(late.principal.projectId)).toMatchObject({ imports: 1 });
      if (comesBack === "with more") await late.give(MANY).catch(() => null);
      await late.end().catch(() => null);
      await expect(late.answer).rejects.toThrow("the import was given up; none of the rows was kept");
      expect(await rowsOf(late.principal.projectId)).toEqual({ runs: 0, tags: 0, imports: 0 });
    }
  }, 30_000);

  it("is left alone while its sender is only slow, and seen whole at its end", async () => {
    const client = await newAccountClient();
    const slow = await importOf(client);
    for (let piece = 0; piece < 3; piece += 1) {
      await slow.give(6000);
      moveClock(20 * MINUTE_MS);
      await sweep();
      expect(await list(client)).toEqual([]);
    }
    await slow.end();
    const { count, ids } = await slow.answer;
    expect([count, (await rowsOf(slow.principal.projectId)).runs]).toEqual([18_000, 18_000]);
    expect(await list(client, "?limit=1")).toEqual(ids.slice(-1));
    expect((await rowsOf(slow.principal.projectId)).imports).toBe(0);
  }, 30_000);
});

describe("the runs of a project", async () => {
  const client = await newAccountClient();
  const environment = await newEnvironment(client);
  const [a = "", b = "", c = "", d = ""] = await imported(client, [
    row({ interaction: "A", tags: ["x", "y"], model: "m1", created_at: "2024-01-01T00:00:00Z", execution_time: 3 }),
    row({ interaction: "B", tags: ["x"], model: "m2", environment, status: "failed", result: [], execution_time: 1 }),
    row({ interaction: "B", tags: ["y"], model: "m1", finish_reason: "length", execution_time: 2 }),
    row({ interaction: "C", status: "processing" }),
  ]);
  const [child = ""] = await imported(client, [row({ interaction: "A", parent: a })]);
  const names = new Map(Object.entries({ a, b, c, d, child }).map(([name, id]) => [id, name]));
  const called = (ids: string[]) => ids.map((id) => names.get(id)).join(" ");

  it.each([
    ["", "child d c b a"],
    ["?limit=2", "child d"],
    ["?limit=2&offset=3", "b a"],
    ["?interaction=A", "child a"],
    ["?interaction=A&interaction=C", "child d a"],
    ["?status=failed,processing", "d b"],
    ["?model=m1", "c a"],
    ["?model=m1&tag=x", "a"],
    ["?tag=x&tag=y", "c b a"],
    [`?environment=${environment}`, "b"],
    [`?parent=${a}`, "child"],
    ["?parent=false&limit=1", "d"],
    ["?is_root=false", "child"],
    ["?workflow_ids=w", ""],
    ["?fromDate=2020-01-01&limit=1", "child"],
  ])("are listed by %s", async (query, expected) => {
    expect(called(await list(client, query))).toBe(expected);
  });

  it.each(["?limit=0", "?limit=x", "?offset=-1", "?status=done", "?colour=red", `?parent=${a}&is_root=true`])(
    "are not listed by %s",
    async (query) => {
      expect((await client.get(`${RUNS}${query}`)).status).toBe(400);
    },
  );

  it.each<[Record<string, unknown>, string]>([
    [{}, "child d c b a"],
    [{ query: { tags: ["x", "y"] } }, "a"],
    [{ query: { tags: ["x", "y", "x"] } }, "a"],
    [{ query: { tags: [] }, limit: 2 }, "child d"],
    [{ query: { exclude_tags: ["x"] }, limit: 2 }, "child d"],
    [{ query: { end: "2024-06-01T00:00:00Z" } }, "a"],
    [{ query: { finish_reason: "length" } }, "c"],
    [{ query: { run_ids: [b, c, "nothing"] } }, "c b"],
    [{ query: { run_ids: [] } }, ""],
    [{ sort: [{ field: "execution_time", order: "asc" }], query: { is_root: true, model: "m1" } }, "c a"],
  ])("are searched by %j", async (body, expected) => {
    const answer = await client.post<Run[]>(`${RUNS}/search`, body);
    expect(called(answer.body.map(({ id }) => id))).toBe(expected);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ status: "failed" }, "b"],
    [{ interaction: { $in: ["A", "C"] } }, "child d a"],
    [{ tags: { $all: ["x", "y"] } }, "a"],
    [{ tags: "y", modelId: "m1" }, "c a"],
    [{ parent: null, interaction: "A" }, "a"],
  ])("are found by %j", async (query, expected) => {
    const answer = await client.post<Run[]>(`${RUNS}/find`, { query, select: "status prompt" });
    expect(called(answer.body.map(({ id }) => id))).toBe(expected);
    expect(Object.keys(answer.body[0] ?? {}).sort()).toEqual(["id", "prompt", "status"]);
  });

  it("are found whole, as they are stored, and not by what they do not have", async () => {
    const [found] = (await client.post<Run[]>(`${RUNS}/find`, { query: { id: b } })).body;
    expect(found).toMatchObject({ id: b, interaction: "B", environment, result: [], prompt: PROMPT });
    const named = await client.post<Run[]>(`${RUNS}/find`, { query: { id: b }, select: "status __proto__ toString" });
    expect(Object.keys(named.body[0] ?? {})).toEqual(["id", "status"]);
    for (const [name, wanted] of [
      ["colour", "red"],
      ["status", { $in: ["failed"], $ne: "failed" }],
      ["tags", { $all: ["x"], $nin: ["y"] }],
    ] as const) {
      const wrong = await client.post<Run>(`${RUNS}/find`, { query: { [name]: wanted } });
      expect([wrong.status, wrong.body.message]).toEqual([400, expect.stringContaining(`query.${name}`)]);
    }
  });

  it("are asked for by more tags than a statement has parameters", async () => {
    const tags = Array.from({ length: 50 }, (_, n) => `t${String(n)}`);
    const other = await newAccountClient();
    const ids = await imported(other, [row({ tags: tags.slice(1) }), row({ tags })]);
    const searched = await other.post<Run[]>(`${RUNS}/search`, { query: { tags } });
    expect(searched.body.map(({ id }) => id)).toEqual(ids.slice(1));
    const found = await other.post<Run[]>(`${RUNS}/find`, { query: { tags: { $all: [...tags, "another"] } } });
    expect([found.status, found.body]).toEqual([200, []]);
  });

  it("are counted by their fields", async () => {
    const facets = [
      { name: "interactions", field: "interaction" },
      { name: "models", field: "modelId" },
      { name: "environments", field: "environment" },
    ];
    const answer = await client.post(`${RUNS}/facets`, { facets, query: { is_root: true } });
    expect(answer.body).toEqual({
      ...{ total: 4, interactions: [bucket("B", 2), bucket("A", 1), bucket("C", 1)] },
      models: [bucket("m1", 2), bucket(null, 1), bucket("m2", 1)],
      environments: [bucket(null, 3), bucket(environment, 1)],
    });
  });

  it("are cloned without their results", async () => {
    const workflow = { run_id: "r", workflow_id: "w" };
    const other = await newAccountClient();
    const [source = ""] = await imported(other, [row({ tags: ["t"] })]);
    const cloned = await other.post<Run>(`${RUNS}/clone`, { source_run_id: source, workflow });
    expect(Object.keys(cloned.body)).toEqual(["id", "account", "project"]);
    const clone = (await other.get<Run>(`${RUNS}/${cloned.body.id}`)).body;
    expect(clone).toMatchObject({ status: "created", result: [], prompt: PROMPT, tags: ["t"], workflow });
    expect(await list(other, "?workflow_ids=w")).toEqual([cloned.body.id]);
    expect(await list(other, "?tag=t")).toEqual([cloned.body.id, source]);
  });

  it("have what they refer to in them when populated", async () => {
    const populated = (await client.get<Run>(`${RUNS}/${b}?populate=true`)).body;
    expect(populated["environment"]).toMatchObject({ id: environment, account: expect.any(String), config: {} });
    expect((await client.get<Run>(`${RUNS}/${child}`)).body["parent"]).toBe(a);
    expect((await client.get<Run>(`${RUNS}/${child}?populate=true`)).body["parent"]).toMatchObject({ id: a });
  });

  it("do not exist for another account, or another project", async () => {
    const other = await newAccountClient();
    const answers = await Promise.all([a, "nothing"].map((id) => other.get(`${RUNS}/${id}`)));
    expect(answers.map(({ status }) => status)).toEqual([404, 404]);
    const clone = { source_run_id: a, workflow: { run_id: "r", workflow_id: "w" } };
    expect((await other.post(`${RUNS}/clone`, clone)).status).toBe(404);
    expect(await list(other)).toEqual([]);
    const rows = await send(other, [row({ environment }), row({ parent: a })]);
    expect(rows.body.message).toContain("line 1 is wrong in environment");
  });
});

function bucket(value: string | null, count: number) {
  return { _id: value, count };
}

describe("a session's runs", () => {
  it("are read in their order, within a bound of bytes, until there are no more", async () => {
    const client = await newAccountClient();
    const long = { parameters: "x".repeat(900_000) };
    const rows = Array.from({ length: 12 }, (_, n) => row(n === 3 ? { result: [] } : long));
    const ids = await imported(client, rows);
    const statements = ids.map((id, n) =>
      env.DB.prepare("INSERT INTO training_session_runs VALUES ('session', ?, ?)").bind(id, n * 2),
    );
    await env.DB.batch(statements);
    const store = new D1RunStore(databases(env.DB));
    const read: { n: number; id: string; hasResult: boolean }[] = [];
    let reads = 0;
    for (let after = -1; ; reads += 1) {
      const some = await store.forTraining("session", after, 100);
      if (some.length === 0) break;
      expect(some.reduce((sum, { body }) => sum + JSON.stringify(body).length, 0)).toBeLessThan(MAX_BODIES_BYTES + 1e6);
      read.push(...some);
      after = some.at(-1)?.n ?? after;
    }
    expect(read.map(({ id }) => id)).toEqual(ids);
    expect(reads).toBe(2);
    expect(read.filter(({ hasResult }) => !hasResult).map(({ n }) => n)).toEqual([6]);
    expect((await store.forTraining("session", 7, 2)).map(({ n }) => n)).toEqual([8, 10]);
    expect((await store.ofSession("session", { limit: 2, offset: 1 })).map(({ id }) => id)).toEqual(ids.slice(1, 3));
    const { account, project } = (await client.get<Run>(`${RUNS}/${ids[0] ?? ""}`)).body as never as {
      account: { id: string };
      project: { id: string };
    };
    const bare = project.id.replace("ms-", "");
    expect((await store.existing(account.id, bare, [...ids, "no run"])).sort()).toEqual(ids);
    expect(await store.existing(account.id, "another", ids)).toEqual([]);
  });
});
