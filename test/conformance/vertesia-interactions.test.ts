/** POST /runs: an ad-hoc prompt on a model that is served. */
import { beforeAll, describe, expect, it } from "vitest";
import { executedRun, run } from "../../worker/dialects/vertesia/run-schema";
import { RelayAgent } from "../harness/relay-agent";
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import { mustBe, newEnvironment, newSession, refusal, TRAINING, type Built } from "./vertesia-setup";

const RUNS = "/api/v1/runs";

let client: WorkerClient;
let agent: RelayAgent;
let env: string;
let bare: string;

const greet = (changes: Record<string, unknown> = {}) => ({
  interaction: "tmp:greet",
  prompts: [
    { role: "safety", content: "Be kind.", content_type: "text" },
    { role: "user", content: "say this again", content_type: "text" },
  ],
  config: { environment: env, model: "writer", model_options: { temperature: 0, stop_sequence: ["!"], max_tokens: 9 } },
  ...changes,
});

beforeAll(async () => {
  client = await newAccountClient();
  env = await newEnvironment(client, { default_model: "writer" });
  bare = await newEnvironment(client);
  mustBe(201, await client.post("/anneal/v1/deployments", { model: "anneal/tiny-llama", name: "writer" }));
  agent = await RelayAgent.serve(client);
});

describe("a prompt", () => {
  it("is run on the named model, and kept as the run that is answered", async () => {
    const sent = greet({ data: { name: "Ada" }, tags: ["greeting", "greeting"], stream: false, result_schema: null });
    const answer = mustBe(200, await client.post(RUNS, sent));
    const ran = executedRun.parse(answer);
    expect(answer).toEqual(ran);
    expect(ran).toMatchObject({
      ...{
        interaction: "tmp:greet",
        status: "completed",
        modelId: "writer",
        finish_reason: "stop",
        tags: ["greeting"],
      },
      ...{ result: [{ type: "text", value: "say this again" }], parameters: { name: "Ada" }, environment: { id: env } },
      ...{ token_use: { prompt: 3, completion: 3, result: 3, total: 6 }, execution_time: expect.any(Number) },
      ...{ account: expect.any(String), project: expect.stringMatching(/^ms-/) },
    });
    expect(agent.requests.at(-1)?.body).toEqual({
      messages: [
        { role: "system", content: "Be kind." },
        { role: "user", content: "say this again" },
      ],
      ...{ temperature: 0, stop: ["!"], max_tokens: 9 },
    });
    const kept = run.parse((await client.get(`${RUNS}/${ran.id}`)).body);
    expect({ ...kept, account: ran.account, project: ran.project, interaction: ran.interaction }).toEqual(ran);
  });

  it("is run on the environment's own model, and trains a session", async () => {
    const ran = executedRun.parse(mustBe(200, await client.post(RUNS, greet({ config: { environment: env } }))));
    expect(ran.modelId).toBe("writer");
    const session = await newSession({ client, env });
    mustBe(200, await client.post(`${TRAINING}/${session}/add`, { runs: [ran.id] }));
    expect(mustBe(200, await client.post<Built>(`${TRAINING}/${session}/build`))).toMatchObject({
      rows: 1,
      skipped: 0,
    });
  });

  it("is refused where the model is not served, or something is asked for that is not to be had", async () => {
    const config = (changes: Record<string, unknown>) => ({ config: { environment: env, ...changes } });
    for (const [changes, field] of [
      [config({ model: "nobody" }), "config.model"],
      [config({ model: "m".repeat(3_000_000) }), "config.model"],
      [config({ model: "job_01k00000000000000000000000" }), "config.model"],
      [{ config: { environment: bare } }, "config.model"],
      [{ config: { environment: "none", model: "writer" } }, "config.environment"],
      [config({ model_options: { temperature: 3 } }), "config.model_options.temperature"],
      [config({ model_options: { no_such: 1 } }), "config.model_options.no_such"],
      [config({ run_data: "RESTRICTED" }), "config.run_data"],
      [{ prompts: undefined }, "prompts"],
      [{ interaction: "half \ud800" }, "interaction"],
      [{ prompts: [{ role: "user", content: "half \ud800" }] }, "prompts.0.content"],
      [{ tags: ["half \ud800"] }, "tags"],
      [{ data: { long: "ä".repeat(40_000) } }, "data"],
      [{ workflow: { run_id: "x".repeat(70_000) } }, "workflow"],
      [{ prompts: [{ role: "user", content: "{{x}}", content_type: "handlebars" }] }, "prompts.0.content_type"],
      [{ prompts: [{ role: "mask", content: "x" }] }, "prompts.0.role"],
      [{ result_schema: { type: "object" } }, "result_schema"],
      [{ stream: true }, "stream"],
      [{ tool_definitions: [{ name: "t" }] }, "tool_definitions"],
      [{ tags: [" "] }, "tags"],
    ] as const) {
      const [status, message] = refusal(await client.post(RUNS, greet(changes)));
      expect([status, message.startsWith(field)], `${field}: ${message}`).toEqual([400, true]);
    }
    expect((await client.get<unknown[]>(RUNS)).body).toHaveLength(2);
  });
});
