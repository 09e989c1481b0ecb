import { describe, expect, it } from "vitest";
import { WorkerAgent } from "../harness/worker-agent";
import { ask } from "../harness/worker-client";
import { CANCELLED_JOB, CREATED_JOB, JOB_LIST, METRICS, RUNNING_JOB, masked } from "./veri-examples";
import { createRequest, newVeriAccount, newVeriJob, type Id, type VeriError } from "./veri-setup";

interface Job extends Id {
  status: string;
  error: { code: string; message: string } | null;
  [key: string]: unknown;
}

interface List {
  data: Job[];
  has_more: boolean;
}

describe("a training job, as in the contract", () => {
  it("is created with every key of the example, in its order, and its defaults filled in", async () => {
    const account = await newVeriAccount();
    const answer = await account.client.post("/v1/training_jobs", createRequest(account));
    expect(answer.status).toBe(200);
    expect(masked(answer.body)).toBe(masked(JSON.parse(CREATED_JOB)));
  });

  it("runs, and is got and listed as in the examples", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.started();

    const example = JSON.parse(RUNNING_JOB) as Record<string, unknown>;
    const got = (await account.client.get<Job>(`/v1/training_jobs/${id}`)).body;
    // The example has no duration_seconds, which the object of POST has: GET gives both examples' keys.
    const { duration_seconds: duration, ...documented } = got;
    expect(duration).toBeNull();
    expect(masked(documented)).toBe(masked({ ...example, dashboard_url: null, provider: "local" }));

    const list = JSON.parse(JOB_LIST) as List;
    const listed = list.data.map((job) => ({ ...job, provider: "local", dashboard_url: null }));
    const page = await account.client.get("/v1/training_jobs?status=running&method=grpo&limit=10");
    expect(masked(page.body)).toBe(masked({ ...list, data: listed }));
  });

  it("completes with a model, a duration and a cost", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const early = await account.client.get<VeriError>(`/v1/training_jobs/${id}/model`);
    expect([early.status, early.body.error.type]).toEqual([400, "invalid_request_error"]);

    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.started();
    await lease.complete({ "config.json": "{}", "model.safetensors": "weights" });
    const job = (await account.client.get<Job>(`/v1/training_jobs/${id}`)).body;
    expect(job).toMatchObject({ status: "completed", error: null, cost_usd: 0 });
    expect(job["duration_seconds"]).toEqual(expect.any(Number));
    expect(job["completed_at"]).toMatch(/Z$/);

    const model = await account.client.get<{ download_url: string; files: { path: string; url: string }[] }>(
      `/v1/training_jobs/${id}/model`,
    );
    expect(Object.keys(model.body)).toEqual(["download_url", "files"]);
    expect(model.body.files.map((file) => file.path)).toEqual(["config.json", "model.safetensors"]);
    // As the published client fetches them: absolute, and without a key.
    for (const [url, text] of [
      [model.body.files[0]?.url, "{}"],
      [model.body.files[1]?.url, "weights"],
    ] as const) {
      expect(url).toMatch(/^https:\/\/anneal\.test\//);
      expect((await ask(url ?? "")).body).toBe(text);
    }
    const archive = await ask(String(job["download_url"]), { headers: { range: "bytes=0-1" } });
    expect(archive.status).toBe(206);
    expect(archive.headers.get("content-disposition")).toContain("model.tar.gz");
  });

  it("fails with a code and a message", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.fail("dataset_format_incompatible", "row 3 has no prompt");
    const job = (await account.client.get<Job>(`/v1/training_jobs/${id}`)).body;
    expect(job.status).toBe("failed");
    expect(job.error).toEqual({
      code: "dataset_format_incompatible",
      message: "dataset_format_incompatible: row 3 has no prompt",
    });
  });

  it("is cancelled once, and an ended one is refused with 400", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const answer = await account.client.post(`/v1/training_jobs/${id}/cancel`);
    expect(masked(answer.body)).toBe(masked(JSON.parse(CANCELLED_JOB)));
    const again = await account.client.post<VeriError>(`/v1/training_jobs/${id}/cancel`);
    expect(again.status).toBe(400);
    expect(again.body.error).toEqual({
      type: "invalid_request_error",
      code: "not_cancellable",
      message: "the job has already ended: cancelled",
      param: null,
    });
    const job = (await account.client.get<Job>(`/v1/training_jobs/${id}`)).body;
    expect(job).toMatchObject({ status: "cancelled", error: null, started_at: null });
  });

  it("answers the published client's heartbeat with its status", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const answer = await account.client.post(`/v1/training_jobs/${id}/heartbeat`);
    expect(answer.body).toEqual({ id, object: "training_job", status: "queued" });
  });
});

describe("lists", () => {
  it("page by the id of the last item, newest first", async () => {
    const account = await newVeriAccount();
    const ids = [await newVeriJob(account), await newVeriJob(account), await newVeriJob(account)].sort().reverse();
    const first = (await account.client.get<List>("/v1/training_jobs?limit=2")).body;
    expect([first.data.map((job) => job.id), first.has_more]).toEqual([ids.slice(0, 2), true]);
    const next = await account.client.get<List>(`/v1/training_jobs?limit=2&after=${ids[1] ?? ""}`);
    expect([next.body.data.map((job) => job.id), next.body.has_more]).toEqual([ids.slice(2), false]);
  });

  it("filter by the contract's words", async () => {
    const account = await newVeriAccount();
    const queued = await newVeriJob(account);
    const cancelled = await newVeriJob(account);
    await account.client.post(`/v1/training_jobs/${cancelled}/cancel`);
    const idsWhere = async (query: string) =>
      (await account.client.get<List>(`/v1/training_jobs?${query}`)).body.data.map((job) => job.id);
    expect(await idsWhere("status=queued")).toEqual([queued]);
    expect(await idsWhere("status=cancelled")).toEqual([cancelled]);
    expect(await idsWhere("status=failed")).toEqual([]);
    expect((await idsWhere("method=grpo")).length).toBe(2);
    expect(await idsWhere("method=sft_text")).toEqual([]);
  });

  it.each(["status=paused", "status=", "method=nope", "limit=0", "limit=x", "after=ds_1"])(
    "refuse %s by name",
    async (query) => {
      const account = await newVeriAccount();
      const answer = await account.client.get<VeriError>(`/v1/training_jobs?${query}`);
      expect(answer.status).toBe(400);
      expect(answer.body.error.param).toBe(query.split("=")[0]);
    },
  );
});

describe("what a job has recorded", () => {
  it("is listed as events, oldest first", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.started();
    const { items } = (await account.client.get<{ items: Record<string, unknown>[] }>(`/v1/training_jobs/${id}/events`))
      .body;
    for (const item of items) expect(Object.keys(item)).toEqual(["event_type", "timestamp", "metadata"]);
    expect(items.map((item) => item["event_type"])).toEqual(["created", "submitted", "provisioning", "running"]);
    expect(masked(items[0])).toBe(masked({ event_type: "created", timestamp: "2026-04-14T12:10:00Z", metadata: {} }));
    const some = await account.client.get<{ items: unknown[] }>(`/v1/training_jobs/${id}/events?limit=2`);
    expect(some.body.items).toEqual(items.slice(0, 2));
    expect((await account.client.get(`/v1/training_jobs/${id}/events?limit=0`)).status).toBe(400);
  });

  it("is given as metrics, as in the example", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const metrics = (query: string) => account.client.get(`/v1/training_jobs/${id}/metrics?${query}`);
    expect((await metrics("")).body).toEqual({ metrics: [], available_keys: [], latest_step: null });

    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.started(1234);
    const rest = { kl: 0.1, learning_rate: 1e-6 };
    await lease.metrics({
      0: { loss: 1.42, reward: 0.1, ...rest },
      5: { loss: 1.31, reward: 0.18, ...rest },
      10: { loss: 1.2, reward: 0.25, ...rest },
      1234: { loss: 1, reward: 0.5, ...rest },
    });
    const answer = await metrics("keys=loss,reward&max_points=500&to_step=10");
    expect(JSON.stringify(answer.body)).toBe(JSON.stringify(JSON.parse(METRICS)));
    const next = await metrics("from_step=11&keys=loss");
    expect((next.body as { metrics: unknown }).metrics).toEqual([{ step: 1234, values: { loss: 1 } }]);
    for (const wrong of ["from_step=-1", "to_step=x", "max_points=0"]) {
      const refused = (await metrics(wrong)) as { status: number; body: VeriError };
      expect([refused.status, refused.body.error.param]).toEqual([400, wrong.split("=")[0]]);
    }
  });

  it("streams whole, and resumes after Last-Event-ID without loss or repeat", async () => {
    const account = await newVeriAccount();
    const id = await newVeriJob(account);
    const lease = await (await WorkerAgent.register(account.client)).lease();
    await lease.started();
    await lease.log("epoch 1", "epoch 2");
    await lease.metrics({ 1: { loss: 1 }, 2: { loss: 0.5 } });
    await lease.complete({ "config.json": "{}" }, 2);

    const path = `/v1/training_jobs/${id}/logs`;
    const response = await account.client.raw(path);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    const text = await response.text();
    const items = text.split("\n\n").filter((item) => item.startsWith("id:"));
    const kinds = items.map((item) => /event: (\w+)/.exec(item)?.[1]);
    expect(kinds.filter((kind) => kind === "log").length).toBe(2);
    expect(kinds.filter((kind) => kind === "metric").length).toBe(2);
    expect(kinds.filter((kind) => kind === "event").length).toBe(6);
    expect(items.at(-1)).toMatch(/event: end\ndata: \{"status":"completed"\}$/);
    const ids = items.map((item) => Number(/^id: (\d+)/.exec(item)?.[1]));
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(new Set(ids).size).toBe(ids.length);

    for (const [index, from] of ids.entries()) {
      const rest = await account.client.raw(path, { "last-event-id": String(from) });
      const replayed = (await rest.text()).split("\n\n").filter((item) => item.startsWith("id:"));
      expect(replayed).toEqual(items.slice(index + 1));
      if (index === ids.length - 1) expect(rest.status).toBe(204);
    }
    const wrong = await account.client.get<VeriError>(path, { "last-event-id": "x" });
    expect([wrong.status, wrong.body.error.param]).toEqual([400, "Last-Event-ID"]);
  });
});
