/** Engines and deployments as the maker's document has them, in each of their states; every answer is held against it. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  DEPLOYMENT_STATUSES,
  ENGINE_STATUSES,
  type DeploymentStatus,
  type EngineStatus,
} from "../../worker/domain/engines";
import { deploymentWord, engineWord } from "../../worker/dialects/emissary/map-engines";
import { RelayAgent } from "../harness/relay-agent";
import { ask } from "../harness/worker-client";
import { deploy, trained, type Deployment, type Engine } from "./emissary-serving";
import { newProject, type EmissaryError, type Id } from "./emissary-setup";

const project = await newProject();
const { client, account, path } = project;
/** What is made here is looked at in its own account, where nothing else is leased. */
const other = await newProject();

let job: string;
beforeAll(async () => {
  job = await trained(project, "classification", "sorter");
}, 20_000);

const createEngine = <T = Engine>(body: Record<string, unknown>, by = client) =>
  by.post<T>("createEngine", "/v1/engines", { base_model: "anneal/tiny-bert", task_type: "classification", ...body });
const deployOn = <T = Deployment>(engine: Id, body: Record<string, unknown>) =>
  client.post<T>("deployOnEngine", `/v1/engines/${engine.id}/deploy`, {
    ...{ project_id: project.id, training_id: job, checkpoint: 1 },
    ...body,
  });
const createDeployment = <T = EmissaryError>(body: Record<string, unknown>) =>
  client.post<T>("createDeployment", `${path}/deployments`, { training_job_id: job, checkpoint: 2, ...body });
const retrieved = async (engine: Id, by = client) =>
  (await by.call<Engine>("getEngine", `/v1/engines/${engine.id}`)).body;
const act = (operation: string, where: string, by = client) =>
  by.call<EmissaryError>(operation, where, { method: "POST" });
const remove = (operation: string, where: string) => client.call<EmissaryError>(operation, where, { method: "DELETE" });

function expectRefusal(answer: { status: number; body: unknown }, field: string): void {
  const { status, error } = answer.body as EmissaryError;
  expect([answer.status, status], error).toEqual([400, 400]);
  expect(error.startsWith(field), error).toBe(true);
}

describe("an engine", () => {
  it("is made, listed, retrieved with what is on it, and deleted with that", async () => {
    const made = await createEngine({ name: "mine" });
    expect([made.status, made.body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^engine-[0-9a-z]{26}$/),
        name: "mine",
        status: "Creating",
        base_model: "anneal/tiny-bert",
        server_type: "on-demand",
        task_type: "classification",
        deployment_counts: 0,
        created_at: expect.any(Number),
      },
    ]);
    const deployed = await deployOn(made.body, {});
    expect([deployed.status, deployed.body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^dp-[0-9a-z]{26}$/),
        name: "sorter-checkpoint-1",
        status: "Pending",
        created_at: expect.any(Number),
      },
    ]);
    const { deployment_counts: _count, ...summary } = made.body;
    expect(await retrieved(made.body)).toEqual({
      ...summary,
      deployments: [deployed.body],
      base_model_option: "pre-trained",
      last_access_timestamp: expect.any(Number),
      resource_management_config: {
        management_type: "inactive_timeout",
        management_config: { inactive_duration: 3600 },
      },
    });
    const writer = await createEngine({ base_model: "anneal/tiny-llama", task_type: "text-generation" });
    const listed = async (query: string) =>
      (await client.call<Engine[]>("listEngines", `/v1/engines${query}`)).body.map(({ id }) => id);
    expect(await listed("")).toEqual([writer.body.id, made.body.id]);
    expect(await listed("?base_model=anneal/tiny-bert")).toEqual([made.body.id]);
    expect(await listed("?task_type=text-generation")).toEqual([writer.body.id]);
    expect(await listed("?task_type=text-generation&base_model=anneal/tiny-bert")).toEqual([]);
    expect((await client.call("listEngines", "/v1/engines?task_type=ner")).status).toBe(400);

    expect((await remove("deleteEngineById", `/v1/engines/${made.body.id}`)).status).toBe(204);
    expect((await remove("deleteEngineById", `/v1/engines/${made.body.id}`)).status).toBe(404);
    const gone = await client.call("retrieveDeploymentById", `${path}/deployments/${deployed.body.id}`);
    expect(gone.status).toBe(404);
    expect((await remove("deleteEngineById", `/v1/engines/${writer.body.id}`)).status).toBe(204);
  });

  it("has its rule as it was sent, by pages with their filter", async () => {
    const schedule = { timezone: "America/Los_Angeles", start_time: "10:00", end_time: "18:00", days: ["monday"] };
    const rules = [
      { management_type: "schedule", management_config: schedule },
      { management_type: "none", management_config: {} },
      { management_type: "inactive_timeout", management_config: { inactive_duration: 60 } },
    ];
    const engines = [];
    for (const rule of rules) {
      const made = await createEngine({ resource_management_config: rule }, other.client);
      expect(made.status, JSON.stringify(made.body)).toBe(201);
      expect((await retrieved(made.body, other.client))["resource_management_config"]).toEqual(rule);
      engines.unshift(made.body);
    }
    expect(engines.map(({ name }) => name)).toEqual(["tiny-bert-engine-3", "tiny-bert-engine-2", "tiny-bert-engine"]);
    const query = "?limit=2&task_type=classification&base_model=anneal%2Ftiny-bert";
    const first = await other.client.call<Engine[]>("listEngines", `/v1/engines${query}`);
    expect(first.body.map(({ id }) => id)).toEqual(engines.slice(0, 2).map(({ id }) => id));
    const next = /<(.+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect(new URL(next).searchParams.get("base_model")).toBe("anneal/tiny-bert");
    const second = await other.client.call<Engine[]>("listEngines", next);
    expect([second.body.map(({ id }) => id), second.headers.get("link")]).toEqual([[engines[2]?.id], null]);
    for (const { id } of engines)
      await other.client.call("deleteEngineById", `/v1/engines/${id}`, { method: "DELETE" });
  });

  it.each<[string, Record<string, unknown>]>([
    ["base_model", { base_model: undefined }],
    ["base_model", { base_model: "no-such-model" }],
    ["base_model", { base_model: `tr-${"0".repeat(26)}` }],
    ["base_model", { base_model: `https://huggingface.co/a/b/c/d` }],
    ["task_type", { task_type: "ner" }],
    ["task_type", { task_type: "text-generation" }],
    ["name", { name: "" }],
    ["name", { name: "a\0b" }],
    ["nmae", { nmae: "x" }],
    ["resource_management_config", { resource_management_config: { management_type: "sometimes" } }],
    [
      "resource_management_config.management_config.inactive_duration",
      {
        resource_management_config: {
          management_type: "inactive_timeout",
          management_config: { inactive_duration: 0 },
        },
      },
    ],
    ...[
      ["timezone", { timezone: "Mars/Olympus" }],
      ["start_time", { start_time: "25:00" }],
      ["end_time", { end_time: "noon" }],
      ["days", { days: [] }],
      ["days.0", { days: ["moonday"] }],
    ].map(([field, wrong]): [string, Record<string, unknown>] => [
      `resource_management_config.management_config.${String(field)}`,
      {
        resource_management_config: {
          management_type: "schedule",
          management_config: { timezone: "Europe/Berlin", start_time: "10:00", end_time: "18:00", ...Object(wrong) },
        },
      },
    ]),
  ])("is refused for its %s", async (field, changes) => {
    expectRefusal(await createEngine<EmissaryError>(changes), field);
  });
});

describe("a deployment", () => {
  it("goes with an engine of its own through its states, and is refused in the wrong ones", async () => {
    const made = await deploy(other, { training_job_id: "anneal/tiny-llama", checkpoint: 0, description: "first" });
    expect(made).toMatchObject({ name: "tiny-llama-base", status: "Pending" });
    const one = `${other.path}/deployments/${made.id}`;
    const now = async () => (await other.client.call<Deployment>("retrieveDeploymentById", one)).body;
    expect(await now()).toEqual({
      ...made,
      description: "first",
      task_type: "text-generation",
      base_model: "anneal/tiny-llama",
      checkpoint: 0,
      updated_at: expect.any(Number),
    });
    const engines = (await other.client.call<Engine[]>("listEngines", "/v1/engines")).body;
    expect(engines).toEqual([
      expect.objectContaining({ name: "tiny-llama-engine", status: "Creating", deployment_counts: 1 }),
    ]);
    const engine = `/v1/engines/${engines[0]?.id ?? ""}`;
    const refuses = async (operation: string, where: string) => {
      const refused = await act(operation, where, other.client);
      expect([operation, refused.status]).toEqual([operation, 400]);
    };
    await refuses("reactivateEngineById", `${engine}/reactivate`);
    await refuses("reactivateDeploymentById", `${one}/reactivate`);

    const agent = await RelayAgent.serve(other.account);
    await vi.waitFor(async () => expect((await now()).status).toBe("Deployed"));
    await refuses("reactivateDeploymentById", `${one}/reactivate`);
    expect((await act("deactivateEngineById", `${engine}/deactivate`, other.client)).status).toBe(204);
    expect((await now()).status).toBe("Deactivated");
    await refuses("deactivateEngineById", `${engine}/deactivate`);
    agent.frames.drop();

    expect((await act("reactivateDeploymentById", `${one}/reactivate`, other.client)).status).toBe(204);
    expect((await now()).status).toBe("Reactivating");
    await RelayAgent.serve(other.account);
    await vi.waitFor(async () => expect((await now()).status).toBe("Deployed"));
    expect((await act("deactivateEngineById", `${engine}/deactivate`, other.client)).status).toBe(204);
    expect((await act("reactivateEngineById", `${engine}/reactivate`, other.client)).status).toBe(204);

    const refused = await other.client.call<EmissaryError>("deleteProjectById", other.path, { method: "DELETE" });
    expect([refused.status, refused.body.error]).toEqual([409, expect.stringContaining("tiny-llama-base")]);
    expect((await other.client.call("deleteDeploymentById", one, { method: "DELETE" })).status).toBe(204);
    expect((await other.client.call("retrieveDeploymentById", one)).status).toBe(404);
    expect((await other.client.call<Engine[]>("listEngines", "/v1/engines")).body).toEqual([]);
    expect((await other.client.call("deleteProjectById", other.path, { method: "DELETE" })).status).toBe(204);
  });

  it("of a trained classifier has its labels, is in its project, and keeps its job", async () => {
    const made = await createDeployment<Deployment>({ name: "sorts", inactive_timeout: 600 });
    expect([made.status, made.body]).toEqual([201, expect.objectContaining({ name: "sorts", status: "Pending" })]);
    const one = `${path}/deployments/${made.body.id}`;
    expect((await client.call<Deployment>("retrieveDeploymentById", one)).body).toMatchObject({
      ...{ training_id: job, checkpoint: 2, base_model: "anneal/tiny-bert", task_type: "classification" },
      metadata: { labels: ["neg", "neutral", "pos"] },
    });
    expect((await client.call<Deployment[]>("listDeployments", `${path}/deployments`)).body).toEqual([made.body]);
    const detail = await client.call<{ deployments: Deployment[] }>("retrieveProjectById", path);
    expect(detail.body.deployments).toEqual([made.body]);
    const kept = await remove("deleteTrainingJobById", `${path}/training-jobs/${job}`);
    expect([kept.status, kept.body.error]).toEqual([409, expect.stringContaining("sorts")]);
    expectRefusal(await createDeployment({ name: "sorts" }), "name");

    const elsewhere = await newProject(account);
    const wrong = `${elsewhere.path}/deployments/${made.body.id}`;
    expect((await client.call("retrieveDeploymentById", wrong)).status).toBe(404);
    expect((await client.call("listDeployments", `${elsewhere.path}/deployments`)).body).toEqual([]);
    expectRefusal(
      await client.post("createDeployment", `${elsewhere.path}/deployments`, { training_job_id: job, checkpoint: 1 }),
      "training_job_id",
    );
    expect((await remove("deleteDeploymentById", one)).status).toBe(204);
    expect((await remove("deleteDeploymentById", one)).status).toBe(404);
  });

  it("is put on an engine and taken from it by its name", async () => {
    const engine = (await createEngine({ name: "shared" })).body;
    const [first, second] = [
      (await deployOn(engine, { name: "one" })).body,
      (await deployOn(engine, { name: "two", checkpoint: 2 })).body,
    ];
    const names = async () => (await retrieved(engine)).deployments.map(({ name }) => name);
    expect(await names()).toEqual(["two", "one"]);
    const undeploy = (body: object) => client.post("unDeployFromEngine", `/v1/engines/${engine.id}/undeploy`, body);
    expect((await undeploy({ deployment_name: "one" })).status).toBe(204);
    expect(await names()).toEqual(["two"]);
    const ended = await client.call<Deployment>("retrieveDeploymentById", `${path}/deployments/${first.id}`);
    expect(ended.body.status).toBe("Terminated");
    expectRefusal(await act("reactivateDeploymentById", `${path}/deployments/${first.id}/reactivate`), "");
    expectRefusal(await undeploy({ deployment_name: "one" }), "deployment_name");
    expectRefusal(await undeploy({}), "deployment_name");
    // Its name is free again.
    expect((await deployOn(engine, { name: "one" })).status).toBe(201);
    expect(second.name).toBe("two");
    expect((await remove("deleteEngineById", `/v1/engines/${engine.id}`)).status).toBe(204);
  });

  it.each<[string, Record<string, unknown>]>([
    ["training_job_id", { training_job_id: undefined }],
    ["training_job_id", { training_job_id: "no-such-model" }],
    ["training_job_id", { training_job_id: `tr-${"0".repeat(26)}` }],
    ["training_job_id", { training_job_id: "anneal/tiny-bert", checkpoint: 0 }],
    ["checkpoint", { checkpoint: undefined }],
    ["checkpoint", { checkpoint: 3 }],
    ["checkpoint", { checkpoint: -1 }],
    ["checkpoint", { checkpoint: 1.5 }],
    ["checkpoint", { checkpoint: 0 }],
    ["checkpoint", { training_job_id: "anneal/tiny-llama", checkpoint: 1 }],
    ["name", { name: "anneal/tiny-llama" }],
    ["name", { name: `dp-${"0".repeat(26)}` }],
    ["inactive_timeout", { inactive_timeout: 0 }],
    ["inactive_timeout", { inactive_timeout: 60, schedule: { timezone: "UTC", start_time: "1:00", end_time: "2:00" } }],
    ["schedule.timezone", { schedule: { timezone: "+02:00", start_time: "01:00", end_time: "02:00" } }],
    ["schedule.end_time", { schedule: { timezone: "UTC", start_time: "01:00" } }],
    ["unknown", { unknown: 1 }],
  ])("is refused for its %s", async (field, changes) => {
    expectRefusal(await createDeployment(changes), field);
  });

  it("is refused on an engine that it does not fit", async () => {
    const engine = (await createEngine({ base_model: "anneal/tiny-llama", task_type: "text-generation" })).body;
    expectRefusal(await deployOn<EmissaryError>(engine, {}), "training_id");
    expectRefusal(await deployOn<EmissaryError>(engine, { training_id: "nope" }), "training_id");
    expectRefusal(await deployOn<EmissaryError>(engine, { checkpoint: 9 }), "checkpoint");
    expectRefusal(await deployOn<EmissaryError>(engine, { project_id: `ms-${"0".repeat(26)}` }), "project_id");
    expectRefusal(await deployOn<EmissaryError>(engine, { project_id: "mine" }), "project_id");
    expect((await remove("deleteEngineById", `/v1/engines/${engine.id}`)).status).toBe(204);
    expect((await deployOn(engine, {})).status).toBe(404);
  });
});

it("every status of the domain has a word of the contract", () => {
  const words = (statuses: readonly string[], of: (status: never) => string) => statuses.map((one) => of(one as never));
  expect(words(ENGINE_STATUSES, (status: EngineStatus) => engineWord(status))).toEqual([
    ...["Inactive", "Creating", "Active"],
  ]);
  expect(words(DEPLOYMENT_STATUSES, (status: DeploymentStatus) => deploymentWord(status))).toEqual([
    ...["Pending", "Deploying", "Deployed", "Deactivated", "Reactivating", "Failed", "Terminated"],
  ]);
});

it("nobody reaches another account's", async () => {
  const engine = (await createEngine({ name: "private" })).body;
  const stranger = await newProject();
  const headers = { "x-api-key": stranger.account.apiKey };
  for (const [method, where] of [
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/reactivate"],
    ["POST", "/deactivate"],
  ]) {
    expect((await ask(`/v1/engines/${engine.id}${where ?? ""}`, { method: method ?? "GET", headers })).status).toBe(
      404,
    );
  }
  expect((await ask(`/v1/engines/${engine.id}`)).status).toBe(401);
  expect((await remove("deleteEngineById", `/v1/engines/${engine.id}`)).status).toBe(204);
});
