/** A dialect that holds its requests to what its routes declare, and the lenient reading of the same requests. */
import { describe, expect, it } from "vitest";
import { GOOD_KEY, kitApp } from "./kit-app";

const app = kitApp();
const headers = { authorization: `Bearer ${GOOD_KEY}` };
const LENIENT = { "x-lenient": "yes" };

async function post(path: string, body?: unknown, more: Record<string, string> = {}) {
  const json: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const response = await app.request(`https://kit.test${path}`, {
    method: "POST",
    headers: { ...headers, ...json, ...more },
    ...(sent === undefined ? {} : { body: sent }),
  });
  return { status: response.status, body: await response.json<{ error?: { field?: string; message: string } }>() };
}

const SEND = "/strict/things?limit=3&tag=a&tag=b";
const NAMED = { name: "n", parts: [{ size: 1 }, { size: 2 }] };

describe("a strict request", () => {
  it("is understood when it sends what is declared", async () => {
    const answer = await post(SEND, NAMED);
    expect(answer).toEqual({ status: 200, body: { query: { limit: "3", tag: ["a", "b"] }, body: NAMED } });
    expect((await post("/strict/act")).status).toBe(200);
    expect((await post("/strict/act", {})).status).toBe(200);
  });

  it.each([
    ["a query parameter", "/strict/things?offset=1", NAMED, "offset"],
    ["a property", SEND, { ...NAMED, colour: 1 }, "colour"],
    ["a nested property", SEND, { ...NAMED, parts: [{ size: 1 }, { size: 2, unit: "m" }] }, "parts.1.unit"],
    ["a query parameter where none is declared", "/strict/act?now=1", undefined, "now"],
    ["a property where no body is declared", "/strict/act", { now: true }, "now"],
    ["a parameter of a wrong type", "/strict/things?limit=many", NAMED, "limit"],
  ])("is refused for %s that is not, by its name", async (_, path, body, field) => {
    const answer = await post(path, body);
    expect([answer.status, answer.body.error?.field]).toEqual([400, field]);
    expect(answer.body.error?.message).toContain(field);
  });
});

describe("a lenient request", () => {
  it("is understood without what is not declared", async () => {
    const body = { ...NAMED, colour: 1, parts: [{ size: 1, unit: "m" }, { size: 2 }] };
    const answer = await post("/strict/things?limit=many&offset=1&tag=a&tag=b", body, LENIENT);
    expect(answer).toEqual({ status: 200, body: { query: { tag: ["a", "b"] }, body: NAMED } });
    expect((await post("/strict/act?now=1", { now: true }, LENIENT)).status).toBe(200);
  });

  it("is refused all the same for what is declared and wrong, or no JSON", async () => {
    const wrong = await post("/strict/things", { name: 1, colour: 1 }, LENIENT);
    expect([wrong.status, wrong.body.error?.field]).toEqual([400, "name"]);
    expect((await post("/strict/things", "{", LENIENT)).status).toBe(400);
  });
});
