import { describe, expect, it, vi } from "vitest";
import { STATUS_OF } from "../../worker/domain/errors";
import { ADMIN_TOKEN, GOOD_KEY, SOME_ID, asked, kitApp } from "./kit-app";

const app = kitApp();
const auth = { authorization: `Bearer ${GOOD_KEY}` };

interface NativeError {
  error: { code: string; message: string; field?: string; request_id: string };
}

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; headers: Headers; body: unknown }> {
  const response = await app.request(`https://kit.test${path}`, init);
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

function post(body: BodyInit, headers: Record<string, string> = {}) {
  return ask("/kit/things", {
    method: "POST",
    body,
    headers: { ...auth, "content-type": "application/json", ...headers },
  });
}

function errorOf(answer: { body: unknown }): NativeError["error"] {
  return (answer.body as NativeError).error;
}

describe("auth", () => {
  it.each([
    ["no key", {}],
    ["an empty key", { "x-api-key": "" }],
    ["an unknown key", { authorization: "Bearer nope" }],
    ["another scheme", { authorization: "Basic Zm9vOmJhcg==" }],
    ["two keys that differ", { authorization: `Bearer ${GOOD_KEY}`, "x-api-key": "other" }],
  ])("refuses %s with 401", async (_, headers) => {
    const answer = await ask("/kit/things", { headers });
    expect(answer.status).toBe(401);
    expect(errorOf(answer).code).toBe("unauthenticated");
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  it.each([
    ["Authorization", auth],
    ["X-API-Key", { "x-api-key": GOOD_KEY }],
    ["both, when equal", { ...auth, "x-api-key": GOOD_KEY }],
    ["another case of the scheme", { authorization: `bearer ${GOOD_KEY}` }],
  ])("takes the key from %s", async (_, headers) => {
    expect((await ask("/kit/things", { headers })).status).toBe(200);
  });

  it("asks for the route's scope and first read together with the key", async () => {
    await ask(`/kit/things/th_${SOME_ID}`, { headers: auth });
    expect(asked).toEqual({ scope: "read", read: { kind: "job", id: SOME_ID } });
    await ask(`/kit/things/job_${SOME_ID}`, { headers: auth });
    expect(asked.read).toEqual({ kind: "none" });
  });

  it("comes before validation", async () => {
    expect((await ask("/kit/things?limit=nope")).status).toBe(401);
  });

  it("reads what the body names together with the key, and nobody's body who has none", async () => {
    const call = (body: BodyInit, headers: Record<string, string> = auth) =>
      ask("/kit/calls", { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
    const text = "x".repeat(1.5 * 1024 * 1024);
    expect((await call(JSON.stringify({ model: "m", text }))).body).toEqual({ chars: text.length });
    expect(asked).toEqual({ scope: "write", read: { kind: "served", name: "m", id: null } });
    expect((await call("x".repeat(2 * 1024 * 1024 + 1))).status).toBe(413);
    for (const nothing of ["{", "[1]", "null", "{}"]) {
      expect((await call(nothing)).status).toBe(400);
      expect(asked.read).toEqual({ kind: "none" });
      expect((await call(nothing, { authorization: "Bearer sk-wrong" })).status).toBe(401);
    }
    let isRead = false;
    const body = new ReadableStream({ pull: () => void (isRead = true) }, { highWaterMark: 0 });
    expect([(await call(body, {})).status, isRead]).toEqual([401, false]);
  });

  it("takes the admin token on the admin edge alone", async () => {
    const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    expect((await ask("/owner/look", bearer(ADMIN_TOKEN))).body).toEqual({ seen: true });
    expect((await ask("/owner/look", bearer(GOOD_KEY))).status).toBe(401);
    expect((await ask("/kit/things", bearer(ADMIN_TOKEN))).status).toBe(401);
  });
});

describe("errors", () => {
  it("are in the dialect's own shape, and in the native one for paths of nobody", async () => {
    expect((await ask("/owner/look")).body).toEqual({ detail: expect.stringContaining("no API key") as string });
    const nowhere = await ask("/nowhere");
    expect(nowhere.status).toBe(404);
    expect(nowhere.body).toEqual({
      error: { code: "not_found", message: "no such path", request_id: nowhere.headers.get("x-request-id") },
    });
  });

  it("never show what was not meant for the caller", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const answer = await ask("/kit/fail/bug", { headers: { ...auth, "x-request-id": "req-1" } });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toContain("hunter2");
    expect(errorOf(answer).message).toContain("req-1");
    expect(log.mock.calls[0]?.[0]).toContain('"request_id":"req-1"');
    expect(log.mock.calls[0]?.[0]).not.toContain(GOOD_KEY);
    log.mockRestore();
  });

  it.each([
    ["unavailable", 503],
    ["rate_limited", 429],
  ])("say when to try again after %s", async (how, status) => {
    const answer = await ask(`/kit/fail/${how}`, { headers: auth });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("retry-after")).toBe("7");
  });

  it("refuse another method with 405 and say which there are", async () => {
    const answer = await ask("/kit/things", { method: "DELETE" });
    expect(answer.status).toBe(405);
    expect(answer.headers.get("allow")).toBe("GET, POST");
    expect(errorOf(answer).code).toBe("method_not_allowed");
  });
});

describe("every answer", () => {
  it("has a request id: the caller's when it is harmless, else a fresh one", async () => {
    expect((await ask("/nowhere", { headers: { "x-request-id": "abc-1" } })).headers.get("x-request-id")).toBe("abc-1");
    const fresh = (await ask("/nowhere", { headers: { "x-request-id": 'a"b<c' } })).headers.get("x-request-id");
    expect(fresh).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("has the security headers and allows no other origin", async () => {
    const { headers } = await ask("/kit/things", { headers: { ...auth, origin: "https://evil.example" } });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("x-frame-options")).toBe("DENY");
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("strict-transport-security")).toContain("max-age");
    expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("names the public origin", async () => {
    const answer = await ask(`/kit/things/th_${SOME_ID}`, { headers: auth });
    expect(answer.body).toEqual({ id: `th_${SOME_ID}`, origin: "https://anneal.example" });
  });
});

describe("paging", () => {
  it("has a default and takes whole numbers within bounds", async () => {
    expect((await ask("/kit/things", { headers: auth })).body).toEqual({ limit: 20, after: null });
    const page = await ask(`/kit/things?limit=100&after=th_${SOME_ID}`, { headers: auth });
    expect(page.body).toEqual({ limit: 100, after: SOME_ID });
  });

  it.each(["limit=0", "limit=101", "limit=abc", "limit=1.5", "limit=", "limit=1&limit=2"])(
    "refuses %s naming limit",
    async (query) => {
      const answer = await ask(`/kit/things?${query}`, { headers: auth });
      expect(answer.status).toBe(400);
      expect(errorOf(answer).field).toBe("limit");
      expect(errorOf(answer).message).toMatch(/^limit: /);
    },
  );

  it.each([`after=job_${SOME_ID}`, "after=th_1", "after="])("refuses %s naming after", async (query) => {
    const answer = await ask(`/kit/things?${query}`, { headers: auth });
    expect(answer.status).toBe(400);
    expect(errorOf(answer).field).toBe("after");
  });
});

describe("JSON bodies", () => {
  it.each([
    ["a missing field", '{"gpu":{"count":1}}', "name", "name: is required"],
    ["a field of the wrong kind", '{"name":1}', "name", "name: expected string, received number"],
    ["a nested field", '{"name":"a","gpu":{"count":"x"}}', "gpu.count", "gpu.count: expected number, received string"],
    ["an unknown field", '{"name":"a","nmae":1}', "nmae", "nmae: is not a field that is known here"],
    [
      "an unknown nested field",
      '{"name":"a","gpu":{"count":1,"x":1}}',
      "gpu.x",
      "gpu.x: is not a field that is known here",
    ],
    ["no object", "[]", undefined, "expected object, received array"],
  ])("refuse %s by name", async (_, body, field, message) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({ code: "invalid_request", message });
    expect(errorOf(answer).field).toBe(field);
  });

  it.each(["{", "", '{"name":', "\u0000"])("refuse malformed JSON: %j", async (body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer).code).toBe("invalid_request");
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", ""])("refuse the Content-Type %j", async (type) => {
    const answer = await post(new TextEncoder().encode('{"name":"a"}'), { "content-type": type });
    expect(answer.status).toBe(415);
    expect(errorOf(answer).code).toBe("unsupported_media_type");
  });

  it("end at 1 MiB, by Content-Length and by count", async () => {
    const big = JSON.stringify({ name: "x".repeat(1024 * 1024) });
    const answer = await post(big);
    expect(answer.status).toBe(413);
    expect(errorOf(answer).message).toContain("1 MiB");
    const streamed = new Response(big).body;
    if (!streamed) throw new Error("no stream");
    expect((await post(streamed)).status).toBe(413);
    expect((await post(JSON.stringify({ name: "x".repeat(1024 * 1024 - 100) }))).status).toBe(201);
  });
});

describe("Idempotency-Key", () => {
  it("comes with the digest of the body as it was sent", async () => {
    const body = '{ "name" : "a" }';
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body));
    const answer = await post(body, { "idempotency-key": "once" });
    expect(answer.status).toBe(201);
    expect(answer.body).toEqual({ name: "a", key: "once", sha256: Buffer.from(digest).toString("hex") });
    expect((await post(body)).body).toEqual({ name: "a", key: null, sha256: null });
  });

  it("has at most 255 characters", async () => {
    expect((await post('{"name":"a"}', { "idempotency-key": "k".repeat(255) })).status).toBe(201);
    const answer = await post('{"name":"a"}', { "idempotency-key": "k".repeat(256) });
    expect(answer.status).toBe(400);
    expect(errorOf(answer).field).toBe("Idempotency-Key");
  });
});

describe("OpenAPI", () => {
  interface Document {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string; responses: Record<string, { description: string }> }>>;
  }

  it("lists the documents and serves each as 3.1", async () => {
    const list = (await ask("/openapi.json")).body as { documents: { name: string; url: string }[] };
    expect(list.documents.map(({ name }) => name)).toEqual(["kit", "strict", "owner"]);
    const document = (await ask("/openapi/kit.json")).body as Document;
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths)).toEqual(["/kit/things", "/kit/things/{id}", "/kit/calls", "/kit/fail/{how}"]);
    expect((await ask("/openapi/none.json")).status).toBe(404);
  });

  it("documents the statuses that are sent, and no others", async () => {
    const document = (await ask("/openapi/kit.json")).body as Document;
    const known = new Set<string>(Object.values(STATUS_OF).map(String));
    for (const operations of Object.values(document.paths)) {
      for (const { responses } of Object.values(operations)) {
        const errors = Object.keys(responses).filter((status) => !status.startsWith("2"));
        expect(errors.every((status) => known.has(status))).toBe(true);
        expect(errors).toEqual(expect.arrayContaining(["401", "403", "500", "503"]));
      }
    }
    const make = document.paths["/kit/things"]?.["post"];
    expect(Object.keys(make?.responses ?? {})).toEqual(["201", "400", "401", "403", "409", "413", "415", "500", "503"]);
  });

  it("has pages that load nothing from elsewhere", async () => {
    const page = await ask("/docs/kit");
    expect(page.status).toBe(200);
    expect(page.body).toContain('src="/assets/scalar/standalone.js"');
    expect(page.body).not.toMatch(/https?:\/\//);
    expect(page.headers.get("content-security-policy")).toContain("connect-src 'self'");
    expect((await ask("/docs")).body).toContain("/docs/kit");
    expect((await ask("/docs/none")).status).toBe(404);
  });
});
