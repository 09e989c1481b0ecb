import { describe, expect, it } from "vitest";
import { newAccountClient, WorkerClient } from "../harness/worker-client";
import { DATASET, NEW_API_KEY, REWARD_FUNCTION, masked } from "./veri-examples";
import { REWARD, ROWS, type Id, type VeriError } from "./veri-setup";

interface List {
  object: string;
  data: Id[];
  has_more: boolean;
}

describe("datasets", () => {
  it("are uploaded, got and listed as in the companion", async () => {
    const client = await newAccountClient();
    const made = await client.upload<Id>("/v1/datasets", { fields: { name: "math" }, file: ROWS });
    expect(made.status).toBe(200);
    expect(masked(made.body)).toBe(masked(JSON.parse(DATASET)));
    expect((await client.get(`/v1/datasets/${made.body.id}`)).body).toEqual(made.body);
    const list = await client.get("/v1/datasets");
    expect(list.body).toEqual({ object: "list", data: [made.body], has_more: false });
  });

  it("are made of an upload in pieces, as in the companion", async () => {
    const client = await newAccountClient();
    const { id: upload_id } = (await client.post<Id>("/anneal/v1/uploads", { filename: "math.jsonl" })).body;
    await client.put(`/anneal/v1/uploads/${upload_id}`, ROWS);
    await client.post(`/anneal/v1/uploads/${upload_id}/complete`, {});
    const made = await client.post<Id>("/v1/datasets", { upload_id });
    expect(masked(made.body)).toBe(masked(JSON.parse(DATASET)));
    expect((await client.get(`/v1/datasets/${made.body.id}`)).body).toEqual(made.body);
  });

  it("may be larger than a chunk, and page", async () => {
    const client = await newAccountClient();
    const rows = Array.from({ length: 50_000 }, (_, i) => `{"prompt":"${String(i)} + 1 ="}`).join("\n");
    const big = await client.upload<{ num_rows: number }>("/v1/datasets", { fields: { name: "big" }, file: rows });
    expect(big.body.num_rows).toBe(50_000);
    await client.upload("/v1/datasets", { fields: { name: "small" }, file: ROWS });
    const first = (await client.get<List>("/v1/datasets?limit=1")).body;
    expect(first.has_more).toBe(true);
    const second = (await client.get<List>(`/v1/datasets?limit=1&after=${first.data[0]?.id ?? ""}`)).body;
    expect([second.data.length, second.has_more]).toEqual([1, false]);
  });
});

describe("reward functions", () => {
  it("are uploaded, got and listed as in the companion", async () => {
    const client = await newAccountClient();
    const made = await client.upload<Id>("/v1/reward_functions", { fields: { name: "exact" }, file: REWARD });
    expect(masked(made.body)).toBe(masked(JSON.parse(REWARD_FUNCTION)));
    expect((await client.get(`/v1/reward_functions/${made.body.id}`)).body).toEqual(made.body);
    const list = await client.get("/v1/reward_functions");
    expect(list.body).toEqual({ object: "list", data: [made.body], has_more: false });
  });
});

describe("API keys", () => {
  it("are shown once, listed without themselves, and revoked at once", async () => {
    const client = await newAccountClient();
    const made = await client.post<Id & { key: string; key_prefix: string }>("/v1/api_keys", { name: "production" });
    const { id, key, key_prefix: prefix } = made.body;
    expect(key).toMatch(/^vk_[0-9a-f]{40}$/);
    expect(prefix).toBe(key.slice(0, 11));
    const example = JSON.parse(NEW_API_KEY) as object;
    expect(masked(made.body)).toBe(masked({ ...example, id, key, key_prefix: prefix }));

    const own = new WorkerClient(key);
    expect((await own.get("/v1/datasets")).status).toBe(200);
    const list = (await own.get<List>("/v1/api_keys")).body;
    const listed = list.data.find((item) => item.id === id);
    expect(Object.keys(listed ?? {})).toEqual(["id", "object", "name", "key_prefix", "created_at", "last_used_at"]);

    const deleted = await client.delete(`/v1/api_keys/${id}`);
    expect(JSON.stringify(deleted.body)).toBe(JSON.stringify({ id, object: "api_key", deleted: true }));
    expect((await own.get("/v1/datasets")).status).toBe(401);
    expect((await client.delete(`/v1/api_keys/${id}`)).status).toBe(404);
    expect((await client.get<List>("/v1/api_keys")).body.data.map((item) => item.id)).not.toContain(id);
  });

  it("need a name and belong to one account", async () => {
    const client = await newAccountClient();
    for (const body of [{}, { name: "" }, { name: 1 }]) {
      const answer = await client.post<VeriError>("/v1/api_keys", body);
      expect([answer.status, answer.body.error.param]).toEqual([400, "name"]);
    }
    const other = await newAccountClient();
    const foreign = await other.post<Id>("/v1/api_keys", { name: "theirs" });
    expect((await client.delete(`/v1/api_keys/${foreign.body.id}`)).status).toBe(404);
    expect((await client.delete("/v1/api_keys/nope")).status).toBe(404);
  });
});
