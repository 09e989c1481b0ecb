/** Environments and projects of the Vertesia dialect, and their models. */
import { env as bindings } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createExecutionContext } from "cloudflare:test";
import { services } from "../../worker/container";
import { SecretBox } from "../../worker/stores/secret-box";
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import {
  ENVIRONMENTS,
  importRuns,
  mustBe,
  newEnvironment,
  newSession,
  refusal,
  runRow,
  TRAINING,
} from "./vertesia-setup";

const TIMESTAMP = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const ACTOR = expect.stringMatching(/^user:[0-9a-z]{26}$/);
const ID = expect.stringMatching(/^[0-9a-z]{26}$/);
const SECRET = "AKIA-a-provider's-secret-3xQf";

interface Environment {
  id: string;
  name: string;
  account: string;
  config: Record<string, unknown>;
  enabled_models: { id: string }[];
  [key: string]: unknown;
}

interface Model {
  id: string;
  name: string;
  provider: string;
  type: string;
  tags: string[];
}

function put<T>(client: WorkerClient, path: string, body: unknown) {
  return client.put<T>(path, JSON.stringify(body), { "content-type": "application/json" });
}

async function newProject(client: WorkerClient, name: string): Promise<string> {
  return mustBe(201, await client.post<{ id: string }>("/anneal/v1/projects", { name })).id;
}

describe("an environment", () => {
  it("is created, retrieved and updated, and never tells its key", async () => {
    const client = await newAccountClient();
    const other = await newProject(client, "other");
    const sent = {
      name: "My OpenAI Environment",
      provider: "openai",
      description: "for tests",
      endpoint_url: "https://example.com/v1",
      default_model: "Qwen3-4B-Instruct",
      enabled_models: [{ id: "a/b", name: "A B", provider: "openai", tags: ["x"], can_stream: true }],
      config: { entries: [], anneal: { gpu: { type: "H100" }, max_cost_usd: 5 } },
      settings: { default_headers: { "x-a": "b" }, region: "eu" },
      allowed_projects: [other],
    };
    const created = mustBe(200, await client.post<Environment>(ENVIRONMENTS, { ...sent, apiKey: SECRET }));
    expect(created).toEqual({
      ...sent,
      id: ID,
      apikey_hint: "AKIA...3xQf",
      account: ID,
      created_by: ACTOR,
      updated_by: ACTOR,
      created_at: TIMESTAMP,
      updated_at: TIMESTAMP,
    });
    const path = `${ENVIRONMENTS}/${created.id}`;
    expect(mustBe(200, await client.get(path))).toEqual(created);
    const row = await bindings.DB.prepare("SELECT * FROM environments WHERE id = ?").bind(created.id).first();
    expect(JSON.stringify(row)).not.toContain("provider's-secret");
    const box = new SecretBox(String(bindings.ANNEAL_SIGNING_KEY));
    expect(await box.open("environment-api-key", String(row?.["api_key_sealed"]))).toBe(SECRET);

    const renamed = mustBe(200, await put<Environment>(client, path, { name: "renamed", allowed_projects: [] }));
    const { allowed_projects: _, ...rest } = created;
    expect(renamed).toEqual({ ...rest, name: "renamed", updated_at: TIMESTAMP });
    const short = mustBe(200, await put<Environment>(client, path, { apiKey: "short" }));
    expect(short["apikey_hint"]).toBe("...");
    expect(mustBe(200, await put<Environment>(client, path, { apiKey: "" }))["apikey_hint"]).toBeUndefined();
  });

  it("is listed for the projects that may use it, and for the account", async () => {
    const client = await newAccountClient();
    const other = await newProject(client, "other");
    const open = await newEnvironment(client);
    const closed = await newEnvironment(client, { allowed_projects: [other] });
    const ids = async (query: string) =>
      mustBe(200, await client.get<Environment[]>(`${ENVIRONMENTS}${query}`)).map(({ id }) => id);
    expect(await ids("")).toEqual([open]);
    expect(await ids("?all=false")).toEqual([open]);
    expect(await ids("?all=true")).toEqual([closed, open]);
    expect(refusal(await client.get(`${ENVIRONMENTS}?all=1`))).toEqual([400, expect.stringContaining("all")]);
    const stranger = await newAccountClient();
    expect(mustBe(200, await stranger.get(`${ENVIRONMENTS}?all=true`))).toEqual([]);
    for (const path of ["", "/models", "/trainable-models"]) {
      expect((await stranger.get(`${ENVIRONMENTS}/${open}${path}`)).status).toBe(404);
    }
    expect((await put(stranger, `${ENVIRONMENTS}/${open}`, { name: "mine now" })).status).toBe(404);
  });

  it.each([
    ["no provider", { provider: undefined }, /provider/],
    ["a provider that is none", { provider: "nobody" }, /provider/],
    ["a property that is none", { colour: 1 }, /colour/],
    [
      "a model's property that is none",
      { enabled_models: [{ id: "a", name: "a", provider: "p", size: 1 }] },
      /0\.size/,
    ],
    ["another account's project", { allowed_projects: [`ms-${"0".repeat(26)}`] }, /allowed_projects\.0/],
    ["a project's bare id", { allowed_projects: ["x"] }, /allowed_projects\.0/],
    ["a word that is none for its jobs", { config: { anneal: { gpus: 1 } } }, /config\.anneal\.gpus/],
    ["a GPU that is none", { config: { anneal: { gpu: { type: "TPU" } } } }, /config\.anneal\.gpu\.type/],
    ["too many GPUs", { config: { anneal: { gpu: { type: "H100", count: 99 } } } }, /config\.anneal\.gpu\.count/],
    ["a budget of nothing", { config: { anneal: { max_cost_usd: 0 } } }, /config\.anneal\.max_cost_usd/],
    ["a provider without a key", { config: { anneal: { provider: "lambda" } } }, /config\.anneal\.provider.*secret/],
    [
      "an odd hyperparameter",
      { config: { anneal: { hyperparameters: { speed: 1 } } } },
      /config\.anneal\.hyperparameters\.speed/,
    ],
    ["a configuration that is none", { config: "fast" }, /config/],
  ])("is refused with %s", async (_, fields, message) => {
    const client = await newAccountClient();
    const body = { name: "lab", provider: "openai", ...fields };
    expect(refusal(await client.post(ENVIRONMENTS, body))).toEqual([400, expect.stringMatching(message)]);
    const id = await newEnvironment(client);
    if (!("provider" in fields)) {
      const refused = refusal(await put(client, `${ENVIRONMENTS}/${id}`, fields));
      expect(refused).toEqual([400, expect.stringMatching(message)]);
    }
  });

  it("keeps what an update of its configuration does not name", async () => {
    const client = await newAccountClient();
    const config = { kept: { a: [1, "x", null, true] }, count: 1.5, yes: true, no: null, text: "'1\"", failover: true };
    const id = await newEnvironment(client, { config: { ...config, anneal: { max_cost_usd: 1 } } });
    const path = `${ENVIRONMENTS}/${id}/config`;
    const anneal = { max_duration_seconds: 60 };
    const sent = { failover: false, entries: [{ model: "m", weight: 0.5 }], anneal };
    const updated = mustBe(200, await put<Environment>(client, path, { config: sent }));
    expect(updated.config).toEqual({ ...config, ...sent });
    const enabled = [{ id: "a/b", name: "b", provider: "p" }];
    const models = mustBe(200, await put<Environment>(client, path, { enabled_models: enabled }));
    expect([models.config, models.enabled_models]).toEqual([updated.config, enabled]);
    for (const wrong of [{ speed: 1 }, { anneal: { gpu: 1 } }, { entries: [{ model: "m", load: 1 }] }]) {
      expect(refusal(await put(client, path, { config: wrong }))[0]).toBe(400);
    }
    expect(mustBe(200, await client.get<Environment>(`${ENVIRONMENTS}/${id}`)).config).toEqual(updated.config);
  });
});

describe("the models of an environment", () => {
  it("are the catalogue and what it has enabled, found by text, type, tags and owner", async () => {
    const client = await newAccountClient();
    const id = await newEnvironment(client, {
      enabled_models: [{ id: "a/b", name: "Mine", provider: "p", owner: "me" }],
    });
    const find = async (query: string) =>
      mustBe(200, await client.get<Model[]>(`${ENVIRONMENTS}/${id}/models${query}`)).map((model) => model.id);
    expect(await find("")).toEqual(expect.arrayContaining(["anneal/tiny-llama", "BERT", "a/b"]));
    expect(await find("?text=mine")).toEqual(["a/b"]);
    expect(await find("?owner=me")).toEqual(["a/b"]);
    expect(await find("?type=classifier")).toEqual(["BERT", "anneal/tiny-bert"]);
    expect(await find("?tags=grpo&tags=classification&text=TINY")).toEqual(["anneal/tiny-llama"]);
    expect(await find("?tags=grpo,classification&text=tiny")).toEqual(["anneal/tiny-llama"]);
    expect(refusal(await client.get(`${ENVIRONMENTS}/${id}/models?size=1`))).toEqual([
      400,
      expect.stringContaining("size"),
    ]);
    const trainable = mustBe(200, await client.get<Model[]>(`${ENVIRONMENTS}/${id}/trainable-models`));
    expect(trainable.map((model) => model.id)).toEqual(expect.arrayContaining(["anneal/tiny-llama", "Qwen3-4B-Base"]));
    expect(trainable.map((model) => model.id)).not.toContain("BERT");
    const known = ["id", "name", "provider", "description", "version", "type", "tags", "owner", "status", "can_stream"];
    known.push("is_custom", "is_multimodal", "input_modalities", "output_modalities", "tool_support", "environment");
    for (const model of trainable) expect(known).toEqual(expect.arrayContaining(Object.keys(model)));
  });

  it("are enabled and disabled one by one, by many at once", async () => {
    const client = await newAccountClient();
    const path = `${ENVIRONMENTS}/${await newEnvironment(client)}`;
    const names = ["anneal/tiny-llama", "Qwen/Qwen3-0.6B", "BERT", "HuggingFaceTB/SmolLM2-135M"];
    const enable = (name: string) => client.post<Environment>(`${path}/models/enabled`, { model_id: name });
    for (const answer of await Promise.all([...names, ...names].map(enable))) mustBe(200, answer);
    const enabled = async () =>
      mustBe(200, await client.get<Environment>(path))
        .enabled_models.map(({ id }) => id)
        .sort();
    expect(await enabled()).toEqual([...names].sort());
    const gone = await client.delete<Environment>(`${path}/models/enabled/${encodeURIComponent("Qwen/Qwen3-0.6B")}`);
    expect(mustBe(200, gone).enabled_models.map(({ id }) => id)).not.toContain("Qwen/Qwen3-0.6B");
    mustBe(200, await client.delete(`${path}/models/enabled/BERT`));
    mustBe(200, await client.delete(`${path}/models/enabled/BERT`));
    expect(await enabled()).toEqual(["HuggingFaceTB/SmolLM2-135M", "anneal/tiny-llama"]);
    for (const wrong of ["", "no such/model/x", `job_${"0".repeat(26)}`]) {
      expect(refusal(await enable(wrong))).toEqual([400, expect.stringContaining("model_id")]);
    }
  });
});

const PROJECTS = "/api/v1/projects";

interface Project {
  id: string;
  name: string;
  account: string;
  configuration: Record<string, unknown>;
  [key: string]: unknown;
}

describe("a project", () => {
  it("is created, listed, retrieved, updated and deleted", async () => {
    const client = await newAccountClient();
    const body = { name: "My Project", namespace: "my-project", description: "for tests", auto_config: true };
    const created = mustBe(200, await client.post<Project>(PROJECTS, body));
    expect(created).toEqual({
      id: expect.stringMatching(/^ms-[0-9a-z]{26}$/),
      name: "My Project",
      namespace: "my-project",
      description: "for tests",
      account: ID,
      configuration: { embeddings: {} },
      plugins: [],
      created_by: ACTOR,
      updated_by: ACTOR,
      created_at: TIMESTAMP,
      updated_at: TIMESTAMP,
    });
    const path = `${PROJECTS}/${created.id}`;
    expect(mustBe(200, await client.get(path))).toEqual(created);
    const list = mustBe(200, await client.get<Project[]>(PROJECTS));
    expect(list[0]).toEqual({ id: created.id, name: "My Project", account: created.account });
    expect(list.map(({ name }) => name)).toEqual(["My Project", "default"]);
    expect(mustBe(200, await client.get(`${PROJECTS}?account=${created.account}&account=x`))).toEqual(list);
    expect(mustBe(200, await client.get(`${PROJECTS}?account=x`))).toEqual([]);

    const first = mustBe(200, await client.get<Project>(`${PROJECTS}/${String(list[1]?.id)}`));
    expect(first).toMatchObject({ namespace: "default", created_by: "system" });
    const whole = {
      ...created,
      name: "renamed",
      configuration: { default_model: "BERT", anneal: { max_cost_usd: 2 } },
    };
    const updated = mustBe(200, await put<Project>(client, path, whole));
    const configuration = { embeddings: {}, ...whole.configuration };
    expect(updated).toEqual({ ...created, name: "renamed", configuration, updated_at: TIMESTAMP });
    const changed = await put(client, `${path}/configuration`, {
      main_language: "fr",
      default_model: "b",
      anneal: null,
    });
    const now = { embeddings: {}, main_language: "fr", default_model: "b", anneal: null };
    expect(mustBe(200, changed)).toEqual(now);
    expect(mustBe(200, await client.get<Project>(path)).configuration).toEqual(now);

    expect(mustBe(200, await client.delete(path))).toEqual({ id: created.id });
    expect((await client.get(path)).status).toBe(404);
    expect(refusal(await client.delete(`${PROJECTS}/${first.id}`))).toEqual([409, expect.stringContaining("API key")]);
  });

  it("is refused with what is undeclared or wrong, and is another account's secret", async () => {
    const client = await newAccountClient();
    const { id } = mustBe(200, await client.post<Project>(PROJECTS, { name: "p", namespace: "p" }));
    const bodies: [string, unknown, RegExp][] = [
      [id, { colour: 1 }, /colour/],
      [id, { configuration: { colour: 1 } }, /configuration\.colour/],
      [id, { configuration: { anneal: { colour: 1 } } }, /configuration\.anneal\.colour/],
      [id, { namespace: "a b" }, /namespace/],
      [id, { plugins: ["x"] }, /plugins/],
      [id, { name: "" }, /name/],
      [`${id}/configuration`, { anneal: { gpu: { type: "x" } } }, /configuration\.anneal\.gpu\.type/],
    ];
    for (const [path, body, message] of bodies) {
      expect(refusal(await put(client, `${PROJECTS}/${path}`, body))).toEqual([400, expect.stringMatching(message)]);
    }
    expect(refusal(await client.post(PROJECTS, { name: "p" }))).toEqual([400, expect.stringContaining("namespace")]);
    const stranger = await newAccountClient();
    expect((await stranger.get(`${PROJECTS}/${id}`)).status).toBe(404);
    expect((await put(stranger, `${PROJECTS}/${id}`, { name: "mine" })).status).toBe(404);
    expect((await stranger.delete(`${PROJECTS}/${id}`)).status).toBe(404);
    expect((await client.get(`${PROJECTS}/${id.replace("ms-", "")}`)).status).toBe(404);
  });

  it("goes with its runs and sessions", async () => {
    const client = await newAccountClient();
    const { id } = mustBe(200, await client.post<Project>(PROJECTS, { name: "p", namespace: "p" }));
    const bare = id.replace("ms-", "");
    const session = await newSession({ client, env: await newEnvironment(client) });
    const runs = await importRuns(client, [runRow("one", { tags: ["t"] })]);
    mustBe(200, await client.post(`${TRAINING}/${session}/add`, { runs }));
    // Of a project that no key speaks for: only then can it go.
    await bindings.DB.batch([
      bindings.DB.prepare("UPDATE training_sessions SET project_id = ? WHERE id = ?").bind(bare, session),
      bindings.DB.prepare("UPDATE runs SET project_id = ? WHERE id = ?").bind(bare, runs[0]),
      bindings.DB.prepare("UPDATE run_tags SET project_id = ? WHERE run_id = ?").bind(bare, runs[0]),
    ]);
    mustBe(200, await client.delete(`${PROJECTS}/${id}`));
    const ctx = createExecutionContext();
    await services(bindings, (work) => ctx.waitUntil(work)).sweepDeleted();
    const left = [
      ["projects", "id", bare],
      ["training_sessions", "id", session],
      ["training_session_runs", "session_id", session],
      ["runs", "id", runs[0]],
      ["run_tags", "run_id", runs[0]],
    ].map(([table, column, value]) =>
      bindings.DB.prepare(`SELECT * FROM ${String(table)} WHERE ${String(column)} = ?`).bind(value),
    );
    for (const { results } of await bindings.DB.batch(left)) expect(results).toEqual([]);
  });
});
