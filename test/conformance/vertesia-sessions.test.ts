/** Training sessions of the Vertesia dialect: their whole life over the wire, what is refused, and who wins a race. */
import { env as bindings } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { newId } from "../../worker/domain/ids";
import { JOB_STATUSES } from "../../worker/domain/job-state";
import { BUILD_TIMEOUT_MS, SESSION_STATUSES } from "../../worker/domain/training-sessions";
import { jobAtItsEnd, MAX_SYNC_WAIT_MS } from "../../worker/services/start-session";
import { databases } from "../../worker/stores/database";
import { D1JobStore } from "../../worker/stores/job-store";
import { D1TrainingSessionStore } from "../../worker/stores/training-session-store";
import { WorkerAgent } from "../harness/worker-agent";
import { ask, newAccountClient, type WorkerClient } from "../harness/worker-client";
import {
  importRuns,
  mustBe,
  newEnvironment,
  newSession,
  newTrainer,
  preparedSession,
  refusal,
  runRow,
  TRAINING,
  type Built,
  type Session,
  type TrainingJob,
} from "./vertesia-setup";

// Whole lives of sessions, on two cores that others use too.
vi.setConfig({ testTimeout: 20_000 });

const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const ACTOR = expect.stringMatching(/^user:[0-9a-z]{26}$/);
const ID = expect.stringMatching(/^[0-9a-z]{26}$/);

const store = () => new D1TrainingSessionStore(databases(bindings.DB));
const change = () => ({ by: "user:test", nowMs: Date.now() });

async function session(client: WorkerClient, id: string): Promise<Session> {
  return mustBe(200, await client.get<Session>(`${TRAINING}/${id}`));
}

async function listed(client: WorkerClient, query = ""): Promise<Session[]> {
  return mustBe(200, await client.get<Session[]>(`${TRAINING}${query}`));
}

async function start(client: WorkerClient, id: string): Promise<TrainingJob> {
  return mustBe(200, await client.post<TrainingJob>(`${TRAINING}/${id}/start`));
}

async function rowsAt(url: string): Promise<unknown[]> {
  const { status, body } = await ask<string>(url);
  expect(status).toBe(200);
  return body
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

/** Waits for nothing: it is only asked how a job stands. */
const jobs = () => new D1JobStore(databases(bindings.DB));

describe("a session", () => {
  it("goes from imported runs to a completed job, as the contract's examples show it", async () => {
    const trainer = await newTrainer({ config: { anneal: { hyperparameters: { num_epochs: 2 }, max_cost_usd: 3 } } });
    const { client, env } = trainer;
    const body = { name: "My Training Session", env, model: "anneal/tiny-llama" };
    const created = mustBe(200, await client.post<Session>(TRAINING, body));
    expect(created).toEqual({
      id: ID,
      project: expect.stringMatching(/^ms-[0-9a-z]{26}$/),
      name: "My Training Session",
      env: { id: env, name: "lab", provider: "openai" },
      model: "anneal/tiny-llama",
      status: "created",
      runs: [],
      dataset: null,
      job: {},
      created_by: ACTOR,
      updated_by: ACTOR,
      created_at: TIMESTAMP,
      updated_at: TIMESTAMP,
    });
    const path = `${TRAINING}/${created.id}`;
    const runs = await importRuns(client, [runRow("one"), runRow("two"), runRow("three", { status: "failed" })]);
    expect(mustBe(200, await client.post(`${path}/add`, { runs }))).toEqual({ ok: true });
    const built = mustBe(200, await client.post<Built>(`${path}/build`));
    expect(built).toEqual({ dataset: expect.stringContaining("https://"), rows: 2, skipped: 1 });
    const prepared = await session(client, created.id);
    expect(prepared).toMatchObject({ status: "prepared", runs, dataset: expect.stringMatching(/^ds_/), job: {} });
    expect(await rowsAt(built.dataset)).toEqual([
      {
        messages: [
          { role: "user", content: "one" },
          { role: "assistant", content: "the answer to one" },
        ],
      },
      {
        messages: [
          { role: "user", content: "two" },
          { role: "assistant", content: "the answer to two" },
        ],
      },
    ]);

    const agent = await WorkerAgent.register(client);
    const job = await start(client, created.id);
    expect(job).toEqual({ id: ID, status: "pending", details: "queued", created_at: TIMESTAMP, updated_at: TIMESTAMP });
    expect(await session(client, created.id)).toMatchObject({ status: "processing", job: { id: job.id } });
    const lease = await agent.lease();
    const { spec } = lease.lease;
    expect([spec.method, spec.output_name, spec.max_cost_usd]).toEqual(["sft_text", "My Training Session", 3]);
    expect(spec.hyperparameters.num_epochs).toBe(2);
    await lease.started();
    expect(mustBe(200, await client.get<TrainingJob>(`${TRAINING}/job/${job.id}`)).status).toBe("running");

    const waiting = client.get<TrainingJob>(`${TRAINING}/job/${job.id}?sync=true`);
    await lease.complete({ "config.json": "{}" });
    const ended = { id: job.id, status: "completed", model: `job_${job.id}` };
    expect(mustBe(200, await waiting)).toEqual({ ...ended, created_at: job.created_at, updated_at: TIMESTAMP });
    expect(await session(client, created.id)).toMatchObject({ status: "completed", job: ended });
    expect(mustBe(200, await client.get(`/v1/training_jobs/job_${job.id}`))).toMatchObject({ status: "completed" });
    for (const [call, sent] of [
      ["add", { runs }],
      ["build"],
      ["start"],
      ["dataset", { dataset: "default" }],
    ] as const) {
      expect(refusal(await client.post(`${path}/${call}`, sent))).toEqual([409, expect.stringContaining("completed")]);
    }
    expect(refusal(await client.post(`${path}/cancel`))).toEqual([400, expect.stringContaining("already ended")]);

    const next = await newSession(trainer, { model: `job_${job.id}` });
    expect((await session(client, next)).status).toBe("created");
  });

  it("starts again after a cancelled and a failed job, and is prepared anew by another dataset", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const first = await start(client, id);
    const cancelled = mustBe(200, await client.post<TrainingJob>(`${TRAINING}/${id}/cancel`));
    expect(cancelled).toMatchObject({
      id: first.id,
      status: "cancelled",
      details: expect.stringContaining("cancelled"),
    });
    expect((await session(client, id)).status).toBe("cancelled");

    const agent = await WorkerAgent.register(client);
    const second = await start(client, id);
    expect(second.id).not.toBe(first.id);
    const lease = await agent.lease();
    await lease.started();
    await lease.fail("nan_loss", "the loss is not a number");
    const failed = await session(client, id);
    expect(failed).toMatchObject({ status: "failed", job: { id: second.id, status: "failed" } });
    expect(failed.job.details).toMatch(/^nan_loss: .*not a number/);

    mustBe(200, await client.post(`${TRAINING}/${id}/dataset`, { dataset: "default" }));
    expect(await session(client, id)).toMatchObject({ status: "prepared", job: {} });
    expect((await start(client, id)).id).not.toBe(second.id);
  });

  it("is another account's and another project's secret, and so is its job", async () => {
    const trainer = await newTrainer();
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const { id: jobId } = await start(trainer.client, id);
    const stranger = await newAccountClient();
    const calls: [string, string, unknown?][] = [
      ["GET", id],
      ["POST", `${id}/add`, { runs: ["x"] }],
      ["GET", `${id}/runs`],
      ["POST", `${id}/build`],
      ["GET", `${id}/url`],
      ["POST", `${id}/dataset`, { dataset: "default" }],
      ["POST", `${id}/start`],
      ["POST", `${id}/cancel`],
      ["GET", `job/${jobId}`],
    ];
    for (const [method, path, body] of calls) {
      const url = `${TRAINING}/${path}`;
      const answer = method === "GET" ? await stranger.get(url) : await stranger.post(url, body);
      expect([url, ...refusal(answer)]).toEqual([url, 404, expect.stringContaining("not found")]);
    }
    expect(await listed(stranger)).toEqual([]);
    // A project of the same account that the key does not speak for.
    await bindings.DB.prepare("UPDATE training_sessions SET project_id = 'other' WHERE id = ?").bind(id).run();
    expect((await trainer.client.get(`${TRAINING}/${id}`)).status).toBe(404);
    expect(await listed(trainer.client)).toEqual([]);
    expect((await trainer.client.get(`${TRAINING}/sess_${id}`)).status).toBe(404);
  });
});

describe("creating a session", () => {
  it.each([
    ["no model", { model: undefined }, 400, /model.*required/],
    ["a model that is none", { model: "no such/model/at all" }, 400, /^model/],
    ["a model that writes no text", { model: "anneal/tiny-bert" }, 400, /model.*sft_text/],
    ["the job of nobody", { model: `job_${"0".repeat(26)}` }, 400, /model.*not found/],
    ["a path", { model: "/etc/passwd\0" }, 400, /model/],
    ["an environment that is none", { env: "0".repeat(26) }, 400, /^env/],
    ["an environment's other name", { env: "lab" }, 400, /^env/],
    ["an empty name", { name: " " }, 400, /^name/],
    ["a long name", { name: "n".repeat(201) }, 400, /^name.*200/],
    ["a property that is none", { colour: "blue" }, 400, /colour/],
  ])("is refused with %s", async (_, fields, status, message) => {
    const { client, env } = await newTrainer();
    const body = { name: "s", env, model: "anneal/tiny-llama", ...fields };
    expect(refusal(await client.post(TRAINING, body))).toEqual([status, expect.stringMatching(message)]);
  });

  it("is refused in an environment of other projects, and of another account", async () => {
    const { client, env } = await newTrainer();
    const other = mustBe(201, await client.post<{ id: string }>("/anneal/v1/projects", { name: "other" })).id;
    const closed = await newEnvironment(client, { allowed_projects: [other] });
    const body = { name: "s", env: closed, model: "anneal/tiny-llama" };
    expect(refusal(await client.post(TRAINING, body))).toEqual([400, expect.stringContaining("may not use")]);
    const stranger = await newAccountClient();
    expect(refusal(await stranger.post(TRAINING, { ...body, env }))).toEqual([400, expect.stringMatching(/^env/)]);
  });

  it("takes what it does not know from clients of an older version", async () => {
    const { client, env } = await newTrainer();
    const body = { name: "s", env, model: "anneal/tiny-llama", colour: "blue" };
    const of = (version: string) => ({ "x-api-version": version });
    mustBe(200, await client.post(TRAINING, body, of("20260319")));
    expect(refusal(await client.post(TRAINING, body, of("20260803")))).toEqual([
      400,
      expect.stringContaining("colour"),
    ]);
    expect(refusal(await client.post(TRAINING, body, of("new")))).toEqual([
      400,
      expect.stringContaining("x-api-version"),
    ]);
    expect((await client.get(`${TRAINING}?colour=blue`, of("20260319"))).status).toBe(200);
    expect(refusal(await client.get(`${TRAINING}?colour=blue`))).toEqual([400, expect.stringContaining("colour")]);
  });
});

describe("lists of sessions", () => {
  it("are pages of the newest, with names, and without runs", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const ids: string[] = [];
    for (const name of ["a", "b", "c"]) ids.unshift(await newSession(trainer, { name }));
    expect((await listed(client)).map(({ id, runs }) => [id, runs])).toEqual(ids.map((id) => [id, undefined]));
    expect((await listed(client, "?limit=1&offset=1")).map(({ id }) => id)).toEqual([ids[1]]);
    const names = mustBe(200, await client.get(`${TRAINING}/names?limit=2&offset=0`));
    expect(names).toEqual([
      { id: ids[0], name: "c" },
      { id: ids[1], name: "b" },
    ]);
    expect(refusal(await client.get(`${TRAINING}?limit=0`))[0]).toBe(400);
    expect(refusal(await client.get(`${TRAINING}?status=ready`))).toEqual([400, expect.stringContaining("status")]);
  });

  it("of one status have the sessions that show it, whatever the row and the job say", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const model = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    await start(client, model);
    const jobId = mustBe(200, await client.get<Session>(`${TRAINING}/${model}`)).job.id ?? "";
    const nowMs = Date.now();
    const times = [null, nowMs, nowMs - BUILD_TIMEOUT_MS - 1000];
    const cases = [null, ...JOB_STATUSES].flatMap((status) =>
      times.flatMap((building) => [null, "a dataset"].map((dataset) => ({ status, building, dataset }))),
    );
    const columns = { sessions: await columnsOf("training_sessions"), jobs: await columnsOf("jobs") };
    const copies = cases.flatMap(({ status, building, dataset }) => {
      const id = newId(nowMs);
      const row = { id, job_id: status && id, building_since_ms: building, dataset_id: dataset };
      const job = status === null ? [] : [copied("jobs", columns.jobs, jobId, { id, status })];
      return [copied("training_sessions", columns.sessions, model, row), ...job];
    });
    await bindings.DB.batch(copies);
    const all = await listed(client, "?limit=1000");
    expect(all).toHaveLength(cases.length + 1);
    for (const status of SESSION_STATUSES) {
      const wanted = all.filter((one) => one.status === status).map(({ id }) => id);
      expect([status, (await listed(client, `?limit=1000&status=${status}`)).map(({ id }) => id)]).toEqual([
        status,
        wanted,
      ]);
      expect(wanted.length).toBeGreaterThan(0);
      const names = await client.get<{ id: string }[]>(`${TRAINING}/names?limit=1000&status=${status}`);
      expect(mustBe(200, names).map(({ id }) => id)).toEqual(wanted);
      const page = await listed(client, `?status=${status}&limit=1&offset=${String(wanted.length - 1)}`);
      expect(page.map(({ id }) => id)).toEqual(wanted.slice(-1));
    }
  });
});

async function columnsOf(table: string): Promise<string[]> {
  const { results } = await bindings.DB.prepare("SELECT name FROM pragma_table_info(?)")
    .bind(table)
    .all<{ name: string }>();
  return results.map(({ name }) => name);
}

/** A row like the one of `id`, but for `set`. */
function copied(table: string, columns: string[], id: string, set: Record<string, string | number | null>) {
  const values = columns.map((name) => (name in set ? "?" : name)).join();
  const bound = columns.filter((name) => name in set).map((name) => set[name]);
  return bindings.DB.prepare(`INSERT INTO ${table} SELECT ${values} FROM ${table} WHERE id = ?`).bind(...bound, id);
}

describe("a session's runs", () => {
  it("stay in the order in which they were added, each once, and come in pages", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await newSession(trainer);
    const [a, b, c, d] = (await importRuns(
      client,
      ["a", "b", "c", "d"].map((text) => runRow(text)),
    )) as [string, string, string, string];
    const path = `${TRAINING}/${id}`;
    for (const runs of [
      [c, a, c],
      [a, d],
      [d, b],
    ])
      mustBe(200, await client.post(`${path}/add`, { runs }));
    expect((await session(client, id)).runs).toEqual([c, a, d, b]);
    const page = mustBe(200, await client.get<{ id: string }[]>(`${path}/runs?limit=2&offset=1`));
    expect(page.map((run) => run.id)).toEqual([a, d]);
    expect(mustBe(200, await client.get(`${path}/runs?limit=100&offset=0`))).toHaveLength(4);
    expect(mustBe(200, await client.get(`${path}/runs?offset=4`))).toEqual([]);
  });

  it("are added all or not at all, and only the project's own", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const path = `${TRAINING}/${await newSession(trainer)}`;
    const [mine] = await importRuns(client, [runRow("one")]);
    const [foreign] = await importRuns(await newAccountClient(), [runRow("two")]);
    for (const bad of [foreign, "x", "0".repeat(26)]) {
      const refused = refusal(await client.post(`${path}/add`, { runs: [mine, bad] }));
      expect(refused).toEqual([400, expect.stringMatching(/^runs\.1/)]);
    }
    expect(refusal(await client.post(`${path}/add`, { runs: [] }))[0]).toBe(400);
    expect(refusal(await client.post(`${path}/add`, {}))).toEqual([400, expect.stringContaining("runs")]);
    expect(mustBe(200, await client.get<Session>(path)).runs).toEqual([]);
  });
});

describe("building", () => {
  it("writes each run's segments and result as a chat row, and leaves out what teaches nothing", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const roles = ["system", "safety", "user", "tool", "assistant", "negative", "mask"];
    const rows = [
      runRow("all roles", { prompt: roles.map((role) => ({ role, content: `of ${role} \ud800` })) }),
      runRow("json", { result: [{ type: "json", value: { b: [1, null], a: "ä" } }] }),
      runRow("parts", {
        result: [
          { type: "thoughts", value: "hm" },
          { type: "text", value: "first" },
          { type: "image", value: "https://example.com/x.png" },
          { type: "text", value: "second" },
        ],
      }),
      runRow("no result", { result: [] }),
      runRow("only thoughts", { result: [{ type: "thoughts", value: "hm" }] }),
      runRow("not ended", { status: "processing" }),
      runRow("image prompt", { prompt: [{ role: "mask", content: "m" }] }),
    ];
    const id = await newSession(trainer);
    mustBe(200, await client.post(`${TRAINING}/${id}/add`, { runs: await importRuns(client, rows) }));
    const built = mustBe(200, await client.post<Built>(`${TRAINING}/${id}/build`));
    expect([built.rows, built.skipped]).toEqual([3, 4]);
    const said = (content: string) => ({ role: "assistant", content });
    expect(await rowsAt(built.dataset)).toEqual([
      {
        messages: [
          { role: "system", content: "of system \ufffd" },
          { role: "system", content: "of safety \ufffd" },
          { role: "user", content: "of user \ufffd" },
          { role: "tool", content: "of tool \ufffd" },
          { role: "assistant", content: "of assistant \ufffd" },
          said("the answer to all roles"),
        ],
      },
      { messages: [{ role: "user", content: "json" }, said('{"b":[1,null],"a":"ä"}')] },
      { messages: [{ role: "user", content: "parts" }, said("first\nsecond")] },
    ]);
  });

  it("is refused without a run to learn from, and leaves the session as it was", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await newSession(trainer);
    const path = `${TRAINING}/${id}`;
    expect(refusal(await client.post(`${path}/build`))).toEqual([400, expect.stringContaining("picked none")]);
    mustBe(200, await client.post(`${path}/add`, { runs: await importRuns(client, [runRow("x", { result: [] })]) }));
    expect(refusal(await client.post(`${path}/build`))).toEqual([400, expect.stringContaining("none of its 1")]);
    expect(await session(client, id)).toMatchObject({ status: "created", dataset: null });
    expect(refusal(await client.get(`${path}/url`))[0]).toBe(404);
    expect(refusal(await client.post(`${path}/start`))).toEqual([400, expect.stringContaining("no data")]);
    expect(refusal(await client.post(`${path}/dataset`, { dataset: "default" }))[0]).toBe(400);
    expect(refusal(await client.post(`${path}/cancel`))[0]).toBe(400);
    expect(refusal(await client.post(`${path}/build`, { force: true }))).toEqual([
      400,
      expect.stringContaining("force"),
    ]);
  });

  it("is one request's at a time; one that died is taken over, and comes too late", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const path = `${TRAINING}/${id}`;
    const nowMs = Date.now();
    expect(await store().beginBuild(id, { by: "user:test", nowMs })).toBe(true);
    expect(await session(client, id)).toMatchObject({ status: "building" });
    for (const [call, body] of [["build"], ["start"], ["add", { runs: (await session(client, id)).runs }]] as const) {
      expect(refusal(await client.post(`${path}/${call}`, body))).toEqual([
        409,
        expect.stringContaining("being built"),
      ]);
    }
    const diedAtMs = nowMs - BUILD_TIMEOUT_MS - 1000;
    await bindings.DB.prepare("UPDATE training_sessions SET building_since_ms = ? WHERE id = ?")
      .bind(diedAtMs, id)
      .run();
    expect((await session(client, id)).status).toBe("prepared");
    mustBe(200, await client.post(`${path}/build`));
    const late = { datasetId: "late", rows: 1, skippedRuns: 0 };
    expect(await store().endBuild(id, diedAtMs, late, change())).toBe(false);
    expect((await session(client, id)).dataset).not.toBe("ds_late");
  });

  it("by many at once is done by one", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(
      trainer,
      Array.from({ length: 50 }, (_, n) => runRow(String(n))),
    );
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.post<Built>(`${TRAINING}/${id}/build`)));
    const done = answers.filter(({ status }) => status === 200).length;
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(answers.length - done);
    // And one that prepared it before: nobody has made another beside it.
    const list = mustBe(200, await client.get<{ data: { name: string }[] }>("/v1/datasets?limit=100"));
    expect([done > 0, list.data.length]).toEqual([true, 1 + done]);
    expect(await session(client, id)).toMatchObject({ status: "prepared" });
  });
});

describe("many runs", () => {
  it(
    "are added, read and built in pieces that no request or statement is too small for",
    { timeout: 60_000 },
    async () => {
      const count = 13_000;
      const trainer = await newTrainer();
      const { client } = trainer;
      const [one] = await importRuns(client, [runRow("q".repeat(600))]);
      const ids = Array.from({ length: count }, (_, n) => `01k${String(n).padStart(23, "0")}`);
      const columns = (await columnsOf("runs")).map((name) => (name === "id" ? "value" : `runs.${name}`));
      await bindings.DB.prepare(
        `INSERT INTO runs SELECT ${columns.join()} FROM json_each(?) ids, runs WHERE runs.id = ?`,
      )
        .bind(JSON.stringify(ids), one)
        .run();
      const id = await newSession(trainer);
      const path = `${TRAINING}/${id}`;
      mustBe(200, await client.post(`${path}/add`, { runs: ids }));
      expect((await session(client, id)).runs).toEqual(ids);
      const last = mustBe(200, await client.get<{ id: string }[]>(`${path}/runs?limit=10&offset=${String(count - 1)}`));
      expect(last.map((run) => run.id)).toEqual(ids.slice(-1));
      const built = mustBe(200, await client.post<Built>(`${path}/build`));
      expect([built.rows, built.skipped]).toEqual([count, 0]);
      const dataset = (await session(client, id)).dataset ?? "";
      expect(mustBe(200, await client.get(`/v1/datasets/${dataset}`))).toMatchObject({
        name: "My Training Session-built",
        num_rows: count,
      });
    },
  );
});

describe("a session's dataset", () => {
  it("is one of the project by its name, one of the account by its id, or what was built", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const path = `${TRAINING}/${id}`;
    const built = (await session(client, id)).dataset;
    const upload = (name: string) =>
      client.upload<{ id: string }>("/v1/datasets", {
        fields: { name },
        file: `{"prompt":"${name}","completion":"c"}\n`,
      });
    const older = (await upload("mine")).body.id;
    const newer = (await upload("mine")).body.id;
    const choose = async (dataset: string) =>
      mustBe(200, await client.post<{ dataset: string }>(`${path}/dataset`, { dataset }));
    expect(await rowsAt((await choose("mine")).dataset)).toEqual([{ prompt: "mine", completion: "c" }]);
    expect((await session(client, id)).dataset).toBe(newer);
    await choose(older);
    expect((await session(client, id)).dataset).toBe(older);
    const { url } = mustBe(200, await client.get<{ url: string }>(`${path}/url`));
    expect(await rowsAt(url)).toEqual([{ prompt: "mine", completion: "c" }]);
    await choose("default");
    expect((await session(client, id)).dataset).toBe(built);
    const foreign = await (
      await newAccountClient()
    ).upload<{ id: string }>("/v1/datasets", {
      fields: { name: "theirs" },
      file: '{"prompt":"p","completion":"c"}\n',
    });
    for (const dataset of ["theirs", foreign.body.id, "", `ds_${"0".repeat(26)}`]) {
      expect(refusal(await client.post(`${path}/dataset`, { dataset }))).toEqual([
        400,
        expect.stringMatching(/^dataset/),
      ]);
    }
  });

  it("that cannot be trained on is refused at the start, and so is one that is gone", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one")]);
    const path = `${TRAINING}/${id}`;
    const labels = await client.upload<{ id: string }>("/v1/datasets", {
      fields: { name: "labels" },
      file: '{"text":"t","label":"l"}\n',
    });
    mustBe(200, await client.post(`${path}/dataset`, { dataset: "labels" }));
    expect(refusal(await client.post(`${path}/start`))).toEqual([400, expect.stringMatching(/^dataset/)]);
    await client.delete(`/anneal/v1/datasets/${labels.body.id}`);
    expect(refusal(await client.post(`${path}/start`))).toEqual([400, expect.stringContaining("gone")]);
    expect((await client.get(`${path}/url`)).status).toBe(404);
  });
});

describe("starting", () => {
  it("at once by many makes one job, which all are told", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => client.post<TrainingJob>(`${TRAINING}/${id}/start`)),
    );
    const started = answers.filter(({ status }) => status === 200).map(({ body }) => body.id);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(started.length === 10 ? [200] : [200, 409]));
    expect(new Set(started).size).toBe(1);
    const { results } = await bindings.DB.prepare(
      "SELECT id FROM jobs WHERE output_name = 'My Training Session' AND dataset_id = ?",
    )
      .bind((await session(client, id)).dataset?.replace("ds_", ""))
      .all();
    expect(results).toEqual([{ id: started[0] }]);
    expect(refusal(await client.post(`${TRAINING}/${id}/start`))).toEqual([409, expect.stringContaining("not ended")]);
    expect(await store().setDataset(id, "other", Date.now())).toBe(false);
  });

  it("asks for what the project, and before it the environment, is set to", async () => {
    const trainer = await newTrainer({ config: { anneal: { gpu: { type: "A100" }, hyperparameters: { seed: 7 } } } });
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const { project } = await session(client, id);
    const configuration = {
      gpu: { type: "H100", count: 2 },
      max_duration_seconds: 90,
      hyperparameters: { seed: 1, num_epochs: 4 },
    };
    await bindings.DB.prepare("UPDATE projects SET configuration = ? WHERE id = ?")
      .bind(JSON.stringify({ anneal: configuration }), project.replace("ms-", ""))
      .run();
    const job = await start(client, id);
    expect((await jobs().load(job.id))?.spec).toMatchObject({
      gpu: { type: "A100-80GB", count: 1 },
      max_duration_seconds: 90,
      hyperparameters: { seed: 7, num_epochs: 4 },
    });
  });
});

describe("waiting for a job's end", () => {
  it("ends with the present state when the time is over, and at once when the job has ended", async () => {
    const trainer = await newTrainer();
    const { client } = trainer;
    const id = await preparedSession(trainer, [runRow("one"), runRow("two")]);
    const { id: jobId } = await start(client, id);
    const job = await jobs().load(jobId);
    if (!job) throw new Error("no job");
    // Time goes as fast as it is waited for.
    let nowMs = 0;
    const pause = (ms: number) => {
      nowMs += ms;
      return Promise.resolve();
    };
    const ports = { jobs: jobs(), clock: { nowMs: () => nowMs }, pause };
    expect((await jobAtItsEnd(ports, job)).status).toBe("queued");
    expect(nowMs).toBe(MAX_SYNC_WAIT_MS);
    mustBe(200, await client.post(`${TRAINING}/${id}/cancel`));
    nowMs = 0;
    expect((await jobAtItsEnd(ports, job)).status).toBe("cancelled");
    expect(nowMs).toBeLessThan(1000);
    const answer = await client.get<TrainingJob>(`${TRAINING}/job/${jobId}?sync=true`);
    expect(mustBe(200, answer).status).toBe("cancelled");
    expect(refusal(await client.get(`${TRAINING}/job/${jobId}?sync=perhaps`))).toEqual([
      400,
      expect.stringContaining("sync"),
    ]);
  });
});
