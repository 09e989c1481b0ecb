/** Environments and projects of the Vertesia dialect, and their models. */
import { env as bindings } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { SecretBox } from "../../worker/stores/secret-box";
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import { ENVIRONMENTS, mustBe, newEnvironment, refusal } from "./vertesia-setup";

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
