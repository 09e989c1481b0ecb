/** JWTs: issued for API keys, good in every dialect, never for more than their key, and over when it is. */
import { env } from "cloudflare:workers";
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, generateKeyPair, jwtVerify, SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { configOf } from "../../worker/env";
import worker from "../../worker/index";
import { JwtKeys } from "../../worker/stores/jwt-keys";
import { databases } from "../../worker/stores/database";
import { SecretBox } from "../../worker/stores/secret-box";
import { D1SigningKeyStore } from "../../worker/stores/signing-key-store";
import { signingKeys } from "../../worker/stores/schema";
import { ask, newAccountClient, WORKER_URL, WorkerClient, type Answer } from "../harness/worker-client";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

interface Issued {
  token: string;
  token_type: string;
  expires_in: number;
  message: string;
  errorCode?: string;
}

/** As the client sends it: JSON is announced, and there is none. */
function issue(credential: string | null, body?: unknown): Promise<Answer<Issued>> {
  return ask<Issued>("/token/issue", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-api-version": "20260803",
      ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function tokenOf(credential: string, body?: unknown): Promise<string> {
  const answer = await issue(credential, body);
  expect(answer.status, answer.body.message).toBe(200);
  return answer.body.token;
}

async function newProject(client: WorkerClient): Promise<string> {
  const made = await client.post<{ id: string }>("/anneal/v1/projects", { name: "second" });
  return made.body.id;
}

describe("a token", () => {
  it("has the claims that the client reads, signed with a key of the JWKS", async () => {
    const client = await newAccountClient();
    const answer = await issue(client.apiKey);
    expect(answer.body).toMatchObject({ token_type: "Bearer", expires_in: 600 });
    const jwks = await ask<{ keys: Record<string, string>[] }>("/.well-known/jwks.json");
    expect(jwks.headers.get("cache-control")).toBe("public, max-age=300");
    const keys = createLocalJWKSet(jwks.body as never);
    const { payload, protectedHeader } = await jwtVerify(answer.body.token, keys, { audience: "anneal-dev" });
    expect(protectedHeader).toEqual({ alg: "ES256", kid: jwks.body.keys[0]?.["kid"], typ: "JWT" });
    expect(payload).toMatchObject({
      ...{ iss: WORKER_URL, name: "default", type: "apikey", apps: [], project_roles: ["admin"] },
      account: { name: "test account" },
      project: { name: "default", account: (payload["account"] as { id: string }).id },
      accounts: [payload["account"]],
      endpoints: { studio: WORKER_URL, store: WORKER_URL, token: WORKER_URL },
      scopes: ["read", "write", "agent"],
      sub: `apikey:${String(payload["key_id"])}`,
    });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600);
    for (const key of jwks.body.keys)
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  });

  it.each([
    ["GET", "/api/v1/runs"],
    ["GET", "/anneal/v1/jobs"],
    ["GET", "/v1/training_jobs"],
    ["GET", "/v1/projects"],
    ["POST", "/anneal/v1/projects"],
  ])("is as good as its key for %s %s, in either header", async (method, path) => {
    const client = await newAccountClient();
    const token = await tokenOf(client.apiKey);
    const headers: Record<string, string>[] = [{ authorization: `Bearer ${token}` }, { "x-api-key": token }];
    for (const credential of headers) {
      const body = method === "POST" ? { body: JSON.stringify({ name: "p" }) } : {};
      const answer = await ask(path, {
        method,
        headers: { ...credential, "content-type": "application/json" },
        ...body,
      });
      expect(answer.status).toBeLessThan(300);
    }
  });

  it("may be traded for a fresh one, and is for the project that was asked for", async () => {
    const client = await newAccountClient();
    const projectId = await newProject(client);
    const token = await tokenOf(client.apiKey, { type: "project", project_id: projectId });
    const again = await tokenOf(token);
    expect(decodeJwt(again)["project"]).toMatchObject({ id: projectId, name: "second" });
    const rows = JSON.stringify({ interaction: "I", prompt: [{ role: "user", content: "" }], status: "created" });
    const inSecond = new WorkerClient(again);
    const made = await inSecond.post<{ runs: string[] }>("/api/v1/runs/import", rows, {
      "content-type": "application/x-ndjson",
    });
    const [run = ""] = made.body.runs;
    const seen = await inSecond.get<{ project: { id: string } }>(`/api/v1/runs/${run}`);
    expect(seen.body.project.id).toBe(projectId);
    expect((await client.get(`/api/v1/runs/${run}`)).status).toBe(404);
    await client.delete(`/anneal/v1/projects/${projectId}`);
    expect((await inSecond.get("/api/v1/runs")).status).toBe(401);
  });

  it("ends with its key, and is never good for more than its key", async () => {
    const client = await newAccountClient();
    const { id, key } = (
      await client.post<{ id: string; key: string }>("/anneal/v1/keys", { name: "r", scopes: ["read"] })
    ).body;
    const reader = new WorkerClient(await tokenOf(key));
    expect(decodeJwt(reader.apiKey)).toMatchObject({ scopes: ["read"], project_roles: ["reader"] });
    expect((await reader.get("/api/v1/runs")).status).toBe(200);
    const refused = await reader.post<Issued>("/api/v1/runs/clone", {});
    expect([refused.status, refused.body.message]).toEqual([403, "this token has no 'write' scope"]);
    await client.delete(`/anneal/v1/keys/${id}`);
    expect((await reader.get("/api/v1/runs")).status).toBe(401);
    expect((await issue(reader.apiKey)).status).toBe(401);
  });

  it("ends when it was told to end, and after ten minutes at the latest", async () => {
    const client = await newAccountClient();
    const inSeconds = (seconds: number) => ({ type: "user", expires_at: Math.floor(Date.now() / 1000) + seconds });
    expect((await issue(client.apiKey, inSeconds(90))).body.expires_in).toBeLessThanOrEqual(90);
    expect((await issue(client.apiKey, inSeconds(9000))).body.expires_in).toBe(600);
    expect((await issue(client.apiKey, inSeconds(-5))).status).toBe(400);
  });
});

describe("no token is given", () => {
  it.each<[string, unknown, number, string?]>([
    ["for another account", { type: "user", account_id: "01k00000000000000000000000" }, 403, "no_accessible_account"],
    ["for no project of the account", { type: "project", project_id: "x" }, 403, "requested_scope_unavailable"],
    ["for another audience", { type: "apikey", audience: "https://elsewhere" }, 403, "requested_scope_unavailable"],
    ["for an environment", { type: "environment" }, 403, "restricted_environment"],
    ["for an agent", { type: "agent", on_behalf_of: "user:x" }, 403, "token_issuance_forbidden"],
    ["by another algorithm", { type: "apikey", algorithm: "RS256" }, 400],
    ["for an unknown type", { type: "king" }, 400],
    ["with what is not declared", { type: "apikey", colour: 1 }, 400],
    ["for a key that is not the header's", { type: "apikey", key: `sk-${"0".repeat(40)}` }, 401],
  ])("%s", async (_, body, status, errorCode) => {
    const client = await newAccountClient();
    const answer = await issue(client.apiKey, body);
    expect([answer.status, answer.body.errorCode]).toEqual([status, errorCode]);
    if (errorCode) expect(Object.keys(answer.body)).toEqual(["error", "message", "errorCode"]);
  });

  it("without a key, and the key may be in the body alone", async () => {
    expect((await issue(null)).status).toBe(401);
    expect((await issue(null, { type: "apikey", key: "sk-short" })).status).toBe(401);
    const { apiKey } = await newAccountClient();
    expect((await issue(null, { type: "apikey", key: apiKey })).status).toBe(200);
    expect((await issue(`sk-${"0".repeat(40)}`)).status).toBe(401);
  });
});

describe("what is no token of ours", async () => {
  const client = await newAccountClient();
  const token = await tokenOf(client.apiKey);
  const [head = "", body = "", signature = ""] = token.split(".");
  const claims = decodeJwt(token);
  const { kid = "" } = decodeProtectedHeader(token);
  const stranger = await generateKeyPair("ES256", { extractable: true });
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const { x = "", y = "" } =
    (await ask<{ keys: Record<string, string>[] }>("/.well-known/jwks.json")).body.keys[0] ?? {};
  const hmac = new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid });
  const signed = new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid }).sign(stranger.privateKey);

  it.each<[string, string | Promise<string>]>([
    ["other claims", `${head}.${encoded({ ...claims, scopes: ["admin"] })}.${signature}`],
    ["no signature", `${encoded({ alg: "none", kid })}.${body}.x`],
    ["a public key as a secret", hmac.sign(new TextEncoder().encode(x + y))],
    ["a stranger's signature under our kid", signed],
    ["another kid", `${encoded({ alg: "ES256", kid: "other" })}.${body}.${signature}`],
    ["no JSON", "aaaa.bbbb.cccc"],
  ])("is refused with %s", async (_, forged) => {
    const answer = await new WorkerClient(await forged).get("/anneal/v1/jobs");
    expect(answer.status).toBe(401);
  });
});

describe("the keys", () => {
  it("are read once in an isolate: a request with a token is one batch, as with a key", async () => {
    const client = await newAccountClient();
    const token = await tokenOf(client.apiKey);
    const asked: string[] = [];
    const counting = new Proxy(env.DB, {
      get: (db, name: "prepare" | "batch") => {
        asked.push(name);
        return db[name].bind(db);
      },
    });
    const withCount = { ...env, DB: counting };
    const get = async (credential: string) => {
      asked.length = 0;
      const ctx = createExecutionContext();
      const headers = { authorization: `Bearer ${credential}` };
      const request = new Request(`${WORKER_URL}/anneal/v1/jobs/job_01k00000000000000000000000`, { headers });
      const answer = await worker.fetch(request as never, withCount, ctx);
      await waitOnExecutionContext(ctx);
      expect(answer.status).toBe(404);
      return [...asked];
    };
    await get(token);
    expect(await get(token)).toEqual(["prepare", "prepare", "batch"]);
    expect(await get(client.apiKey)).toEqual(["prepare", "prepare", "batch"]);
  });

  it("are followed by another after thirty days, which is published before it signs; old ones go when they are over", async () => {
    const db = databases(env.DB)("00");
    await db.delete(signingKeys);
    const clock = { now: DAY_MS, nowMs: () => clock.now };
    const store = new D1SigningKeyStore(databases(env.DB));
    const keysOf = () => new JwtKeys(store, new SecretBox("a secret of this test, with 32 bytes"), clock);
    const keys = keysOf();
    const { kid: first } = await keys.signingKey();
    await keys.rotate();
    expect(await keys.published()).toHaveLength(1);
    clock.now += 30 * DAY_MS;
    await keys.rotate();
    expect(await keys.published()).toHaveLength(2);
    clock.now += 14 * MINUTE_MS;
    expect((await keys.signingKey()).kid).toBe(first);
    expect((await keysOf().signingKey()).kid).toBe(first);
    clock.now += MINUTE_MS;
    const { kid: second } = await keys.signingKey();
    expect(second).not.toBe(first);
    clock.now += 59 * MINUTE_MS;
    await keys.rotate();
    expect(await keysOf().publicKey(first)).not.toBeNull();
    clock.now += MINUTE_MS;
    await keys.rotate();
    expect(await keysOf().publicKey(first)).toBeNull();
    // Sealed under another secret: of no use, so a new one is made.
    const other = new JwtKeys(store, new SecretBox("another secret of the deployment, 32"), clock);
    const { kid: third } = await other.signingKey();
    expect([first, second]).not.toContain(third);
    const [row] = await store.list();
    expect(row?.privateSealed).not.toContain('"d"');
    await db.delete(signingKeys);
  });
});

describe("an outside issuer", () => {
  const account = "acct_01k00000000000000000000000";
  const set = { ANNEAL_JWT_ISSUER: "i", ANNEAL_JWT_JWKS_URL: "https://i.test/jwks", ANNEAL_JWT_ACCOUNT: account };

  it("is no one where none is set", async () => {
    const { privateKey } = await generateKeyPair("ES256");
    const token = new SignJWT({ sub: "u" }).setProtectedHeader({ alg: "ES256", kid: "theirs" }).setIssuer("i");
    const client = new WorkerClient(await token.setExpirationTime("5m").sign(privateKey));
    expect((await client.get("/anneal/v1/jobs")).status).toBe(401);
  });

  it.each<[string, Record<string, string | undefined>, RegExp]>([
    ["without an account", { ...set, ANNEAL_JWT_ACCOUNT: undefined }, /are set together/],
    ["without keys", { ...set, ANNEAL_JWT_JWKS_URL: undefined }, /are set together/],
    ["with keys that anyone on the way can change", { ...set, ANNEAL_JWT_JWKS_URL: "http://i.test/jwks" }, /https:/],
    ["with a shared secret", { ...set, ANNEAL_JWT_ALGORITHMS: "HS256" }, /ANNEAL_JWT_ALGORITHMS/],
    ["with an account of no form", { ...set, ANNEAL_JWT_ACCOUNT: "mine" }, /ANNEAL_JWT_ACCOUNT/],
  ])("is not set %s: the deployment does not serve", (_, vars, message) => {
    expect(() => configOf({ ...env, ...vars } as typeof env)).toThrow(message);
    expect(configOf({ ...env, ...set }).outsideIssuer).toMatchObject({ algorithms: ["ES256"], audience: "anneal-dev" });
  });
});
