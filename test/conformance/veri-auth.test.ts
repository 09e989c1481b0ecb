/** One matrix of credentials, replayed over every operation that the served OpenAPI document has. */
import { describe, expect, it } from "vitest";
import { ask } from "../harness/worker-client";
import { newVeriAccount, newVeriJob, type Id, type VeriError } from "./veri-setup";

interface Document {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>;
}

const { body: document } = await ask<Document>("/openapi/veri.json");
const account = await newVeriAccount();
const other = await newVeriAccount();

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { operationId, responses }]) => {
    return { operationId, method: method.toUpperCase(), path, documented: Object.keys(responses) };
  }),
);

const deployment = {
  ...{ model: "anneal/tiny-llama", source: "huggingface", name: "theirs" },
  gpu: { gpu_type: "A100-80GB", gpu_count: 1 },
};

/** Records of `owner`, by what the path names. */
const foreign: Record<string, string> = {
  "/v1/datasets": other.datasetId,
  "/v1/reward_functions": other.rewardFunctionId,
  "/v1/training_jobs": await newVeriJob(other),
  "/v1/deployments": (await other.client.post<Id>("/v1/deployments", deployment)).body.id,
  "/v1/api_keys": (await other.client.post<Id>("/v1/api_keys", { name: "theirs" })).body.id,
};

function filled(path: string): string {
  const owner = Object.entries(foreign).find(([prefix]) => path.startsWith(prefix));
  return path.replace("{id}", owner?.[1] ?? "");
}

async function scopedKey(scope: string): Promise<string> {
  const body = { name: scope, scopes: [scope] };
  return (await account.client.post<{ key: string }>("/anneal/v1/keys", body)).body.key;
}

const revoked = (await account.client.post<Id & { key: string }>("/v1/api_keys", { name: "revoked" })).body;
await account.client.delete(`/v1/api_keys/${revoked.id}`);
const readOnly = await scopedKey("read");
const writeOnly = await scopedKey("write");

describe("every operation of Veri", () => {
  it("is in the matrix", () => {
    expect(operations.length).toBe(25);
  });

  describe.each(operations)("$operationId", ({ method, path, documented }) => {
    it("documents the refusals below", () => {
      expect(documented).toEqual(expect.arrayContaining(["401", "403", ...(path.includes("{id}") ? ["404"] : [])]));
    });

    const send = (headers: Record<string, string>) => ask<VeriError>(filled(path), { method, headers });

    it.each<[string, Record<string, string>]>([
      ["no key", {}],
      ["an unknown key", { authorization: `Bearer vk_${"0".repeat(40)}` }],
      ["a revoked key", { authorization: `Bearer ${revoked.key}` }],
      ["another scheme", { authorization: `Basic ${account.client.apiKey}` }],
      ["two keys that differ", { authorization: `Bearer ${account.client.apiKey}`, "x-api-key": readOnly }],
      ["the admin token", { authorization: "Bearer test-admin-token-of-at-least-32-bytes" }],
    ])("refuses %s with 401", async (_, headers) => {
      const answer = await send(headers);
      expect(answer.status).toBe(401);
      expect(answer.body.error).toMatchObject({ type: "authentication_error", param: null });
    });

    it("refuses a key without its scope with 403", async () => {
      const keys = [readOnly, writeOnly];
      const statuses = await Promise.all(keys.map(async (key) => (await send({ "x-api-key": key })).status));
      expect(statuses.filter((status) => status === 403).length).toBe(1);
    });
  });

  it.each(operations.filter(({ path }) => path.includes("{id}")))(
    "does not find what is another account's: $operationId",
    async ({ method, path }) => {
      const headers = { authorization: `Bearer ${account.client.apiKey}`, "content-type": "application/json" };
      const body = JSON.stringify({ messages: [{ role: "user", content: "whose are you?" }] });
      const sent = { method, headers, ...(method === "POST" ? { body } : {}) };
      const answer = await ask<VeriError>(filled(path), sent);
      expect(answer.status).toBe(404);
      expect(answer.body.error).toMatchObject({ type: "not_found_error", code: "not_found", param: null });
    },
  );
});
