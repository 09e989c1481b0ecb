/** Tokens of an issuer that the deployment is set to trust, whose keys the worker reads over real HTTP. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitFor } from "../harness/jobs";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const ISSUER = "https://issuer.test";
const AUDIENCE = "our deployment";

let plane: TestPlane;
let account: TestAccount;
let server: Server;
const { privateKey, publicKey } = await generateKeyPair("ES256");
const stranger = (await generateKeyPair("ES256")).privateKey;
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: "theirs", alg: "ES256" }] };
/** What the issuer answers with when it is asked for its keys. */
let answer: { status: number; body: unknown } = { status: 500, body: {} };
let asked = 0;

beforeAll(async () => {
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 4_000, resumeIntervalMs: 60_000 });
  account = await plane.account("outside issuer");
  server = createServer((_, response) => {
    asked += 1;
    response.writeHead(answer.status, { "content-type": "application/json" }).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await plane.setVars({
    ANNEAL_JWT_ISSUER: ISSUER,
    ANNEAL_JWT_JWKS_URL: `http://127.0.0.1:${String(port)}/keys.json`,
    ANNEAL_JWT_AUDIENCE: AUDIENCE,
    ANNEAL_JWT_ACCOUNT: account.account_id,
  });
});

afterAll(async () => {
  await plane.close();
  server.close();
});

interface Changes {
  claims?: Record<string, unknown>;
  issuer?: string;
  audience?: string;
  expires?: string;
  key?: CryptoKey | Uint8Array;
  alg?: string;
  kid?: string;
}

function token({
  claims = {},
  issuer = ISSUER,
  audience = AUDIENCE,
  expires = "5m",
  key,
  alg = "ES256",
  kid = "theirs",
}: Changes = {}) {
  return new SignJWT({ sub: "someone", ...claims })
    .setProtectedHeader({ alg, kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setExpirationTime(expires)
    .sign(key ?? privateKey);
}

async function send(credential: string, path = "/anneal/v1/projects", init: RequestInit = {}) {
  const headers = { authorization: `Bearer ${credential}`, "content-type": "application/json" };
  const response = await fetch(new URL(path, plane.url), { ...init, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

it("are refused while its keys cannot be read, and then speak for the one account", async () => {
  const good = await token();
  expect((await send(good)).status).toBe(503);
  answer = { status: 200, body: keys };
  const projects = await send(good);
  expect(projects).toMatchObject({ status: 200, body: { data: [{ id: account.project_id, name: "default" }] } });
  const made = await send(good, "/anneal/v1/projects", { method: "POST", body: JSON.stringify({ name: "theirs" }) });
  expect(made.status).toBe(201);
  const before = asked;
  for (const path of ["/api/v1/runs", "/v1/training_jobs", "/v1/projects"])
    expect((await send(good, path)).status).toBe(200);
  expect(asked).toBe(before);
});

it.each<[string, Changes]>([
  ["another audience", { audience: "elsewhere" }],
  ["no time left", { expires: "-1m" }],
  ["a stranger's signature", { key: stranger }],
  ["another algorithm", { alg: "HS256", key: new TextEncoder().encode("theirs".repeat(8)) }],
  ["another issuer", { issuer: "https://other.test" }],
  ["nobody to speak for", { claims: { sub: "" } }],
  ["a project that is not the account's", { claims: { project: "ms-01k00000000000000000000000" } }],
])("are refused with %s", async (_, changes) => {
  expect((await send(await token(changes))).status).toBe(401);
});

it("are good for what they say, never for the deployment, and are not exchanged", async () => {
  const reader = await token({ claims: { scope: "openid read admin", project: { id: account.project_id } } });
  expect((await send(reader)).status).toBe(200);
  const write = { method: "POST", body: JSON.stringify({ name: "x" }) };
  expect((await send(reader, "/anneal/v1/projects", write)).status).toBe(403);
  expect((await send(reader, "/admin/v1/accounts")).status).toBe(401);
  for (const [claims, status] of [
    [{ scopes: [] }, 403],
    [{ scopes: ["reports"] }, 403],
    [{ scope: "openid" }, 200],
  ] as const) {
    expect((await send(await token({ claims }))).status).toBe(status);
  }
  const exchanged = await send(reader, "/token/issue", { method: "POST" });
  expect([exchanged.status, exchanged.body["errorCode"]]).toEqual([403, "token_issuance_forbidden"]);
  const own = await send(account.api_key, "/token/issue", { method: "POST" });
  expect((await send(String(own.body["token"]))).status).toBe(200);
});

it("are good with a key that is new at their issuer, and not with one that is gone", async () => {
  const next = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(next.publicKey)), kid: "next", alg: "ES256" };
  answer = { status: 200, body: { keys: [jwk] } };
  const fresh = await token({ key: next.privateKey, kid: "next" });
  await waitFor("the issuer's new key", 10_000, async () => ((await send(fresh)).status === 200 ? true : null));
  expect((await send(await token())).status).toBe(401);
});
