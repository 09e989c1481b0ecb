/**
 * The Training Module without API keys, on somebody's own machine: what it is open to, and each guard that keeps others
 * out. The database of this file has one account, as such a deployment has.
 */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Env } from "../../worker/env";
import worker from "../../worker/index";
import { newAccountClient } from "../harness/worker-client";
import type { Refusal, Status } from "./training-module-setup";

const OPEN = { ANNEAL_TRAINING_MODULE_OPEN: "true", ANNEAL_LISTEN_HOST: "127.0.0.1" };
const client = await newAccountClient();

interface Sent {
  url?: string;
  method?: string;
  headers?: Record<string, string>;
  variables?: Partial<Env>;
}

/** One request without a key, to a worker with these variables. */
async function request(path: string, { url = "http://127.0.0.1:8787", method = "GET", headers, variables }: Sent = {}) {
  const ctx = createExecutionContext();
  const asked = new Request(`${url}${path}`, { method, headers: headers ?? {} });
  const answer = await worker.fetch(asked, { ...env, ...OPEN, ...variables }, ctx);
  const body = await answer.json<Status & Refusal>();
  await waitOnExecutionContext(ctx);
  return { status: answer.status, body };
}

const state = async (): Promise<string> => (await client.get<Status>("/status")).body.status;

afterEach(async () => {
  vi.restoreAllMocks();
  const started = await client.get<Status>("/start_session?force_restart=1");
  await client.post(`/training/stop/${started.body.key ?? ""}?force_restart=1`);
});

describe("open mode", () => {
  it.each(["http://127.0.0.1:8787", "http://localhost:8787", "http://[::1]:8787", "http://127.8.8.8"])(
    "is the one account's, at %s",
    async (url) => {
      const started = await request("/start_session", { url });
      expect([started.status, started.body.status]).toEqual([200, "setup"]);
      expect(await state()).toBe("setup");
      const path = `/import_model/${started.body.key ?? ""}?model_type=classification&model_name=anneal/tiny-bert`;
      expect((await request(path, { url, method: "POST" })).body.import_status).toBe("importing");
    },
  );

  it("checks the session's key all the same", async () => {
    await request("/start_session");
    expect((await request(`/training/start/tm_${"A".repeat(43)}`, { method: "POST" })).status).toBe(404);
  });

  it.each<[string, Record<string, string>]>([
    ["its own page", { origin: "http://127.0.0.1:8787", "sec-fetch-site": "same-origin" }],
    ["the address bar", { "sec-fetch-site": "none" }],
    ["this machine", { "cf-connecting-ip": "127.0.0.1" }],
    ["this machine by its newer name", { "cf-connecting-ip": "::1" }],
    ["its own name", { host: "localhost:8787" }],
  ])("answers %s", async (_, headers) => {
    expect((await request("/start_session", { headers })).status).toBe(200);
  });
});

describe("without a key nobody comes in", () => {
  it.each<[string, Partial<Env>]>([
    ["where it is not switched on", { ANNEAL_TRAINING_MODULE_OPEN: "false" }],
    ["where nobody says what is listened on", { ANNEAL_LISTEN_HOST: "" }],
    ["where all of the network is listened to", { ANNEAL_LISTEN_HOST: "0.0.0.0" }],
    ["where another address is listened on", { ANNEAL_LISTEN_HOST: "192.168.0.2" }],
  ])("%s", async (_, variables) => {
    const answer = await request("/start_session", { variables });
    expect([answer.status, Object.keys(answer.body)]).toEqual([401, ["detail"]]);
    expect(await state()).toBe("none");
  });

  it.each<[string, Sent, string]>([
    ["a name that leads here from elsewhere", { url: "http://rebound.example:8787" }, "Host"],
    ["another Host", { headers: { host: "rebound.example:8787" } }, "Host"],
    ["a name that only begins like ours", { url: "http://localhost.example" }, "Host"],
    ["another machine", { headers: { "cf-connecting-ip": "192.168.0.7" } }, "this machine"],
    ["a page of another origin", { headers: { origin: "https://elsewhere.example" } }, "origin"],
    ["a page of another port", { headers: { origin: "http://127.0.0.1:3000" } }, "origin"],
    ["a page without an origin", { headers: { origin: "null" } }, "origin"],
    ["an image of another site's page", { headers: { "sec-fetch-site": "cross-site" } }, "site"],
    ["an image of another port's page", { headers: { "sec-fetch-site": "same-site" } }, "site"],
  ])("from %s", async (_, sent, why) => {
    for (const [method, path] of [
      ["GET", "/start_session"],
      ["GET", "/status"],
      ["POST", "/training/start/x"],
    ] as const) {
      const answer = await request(path, { ...sent, method });
      expect([answer.status, answer.body.detail]).toEqual([403, expect.stringContaining(why)]);
    }
    expect(await state()).toBe("none");
  });

  it("with a credential that is wrong", async () => {
    const wrong: Record<string, string>[] = [
      { authorization: "Bearer sk-wrong" },
      { "x-api-key": `sk-${"0".repeat(40)}` },
    ];
    for (const headers of wrong) expect((await request("/status", { headers })).status).toBe(401);
  });

  it.each(["/anneal/v1/jobs", "/v1/training_jobs", "/v1/projects", "/api/v1/training"])(
    "to another dialect: %s",
    async (path) => {
      expect((await request(path)).status).toBe(401);
    },
  );
});

describe("the key", () => {
  it("is left out of logs", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { key = "" } = (await request("/start_session")).body;
    const broken = { ...env.DB, prepare: () => raise(`no such table: asked by /monitor/${key}`) };
    const answer = await request(`/monitor/${key}`, { variables: { DB: broken as unknown as D1Database } });
    expect(answer.status).toBe(500);
    const logged = log.mock.calls.flat().join("\n");
    expect(logged).toContain("/monitor/tm_<redacted>");
    expect(logged + JSON.stringify(answer.body)).not.toContain(key);
  });
});

// Last: from here on there are two accounts.
describe("a deployment of several accounts", () => {
  it("answers nobody without a key", async () => {
    await newAccountClient("another");
    const answer = await request("/start_session");
    expect([answer.status, answer.body.detail]).toEqual([403, expect.stringContaining("exactly one account")]);
  });
});

function raise(message: string): never {
  throw new Error(message);
}
