/** The stream's rules where they are HTTP's, through the worker's real entry and the job's real object. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { newVeriAccount, newVeriJob, type VeriError } from "../conformance/veri-setup";
import { WorkerAgent, type WorkerLease } from "../harness/worker-agent";
import type { WorkerClient } from "../harness/worker-client";
import { SseReader } from "../streams/sse-reader";

interface Running {
  client: WorkerClient;
  id: string;
  lease: WorkerLease;
  object: ReturnType<typeof env.JOB.getByName>;
}

async function running(): Promise<Running> {
  const account = await newVeriAccount();
  const id = await newVeriJob(account);
  const lease = await (await WorkerAgent.register(account.client)).lease();
  await lease.started();
  return { client: account.client, id, lease, object: env.JOB.getByName(id.replace("job_", "")) };
}

/** Moves a timer to now and rings the alarm. */
async function ring({ object }: Running, timer: string): Promise<void> {
  await runInDurableObject(object, (_, { storage }) => {
    storage.sql.exec("UPDATE timers SET at_ms = 1 WHERE name = ?", timer);
    return storage.setAlarm(Date.now() + 60_000);
  });
  await runDurableObjectAlarm(object);
}

function rows({ object }: Running, query: string): Promise<Record<string, unknown>[]> {
  return runInDurableObject(object, (_, { storage }) => storage.sql.exec(query).toArray());
}

/** Everything that people can read of the job's history. */
async function history({ client, id }: Running) {
  const read = async (path: string) => (await client.get(path)).body;
  return {
    nativeEvents: await read(`/anneal/v1/jobs/${id}/events?limit=3`),
    eventsAfter: await read(`/anneal/v1/jobs/${id}/events?after=3`),
    metrics: await read(`/anneal/v1/jobs/${id}/metrics?max_points=3`),
    evaluations: await read(`/anneal/v1/jobs/${id}/metrics?kind=eval&keys=accuracy`),
    nativeStream: await read(`/anneal/v1/jobs/${id}/stream`),
    veriStream: await read(`/v1/training_jobs/${id}/logs`),
    veriMetrics: await read(`/v1/training_jobs/${id}/metrics`),
  };
}

describe("following a job", () => {
  it("asks its agent for short gathers while somebody listens, and only then", async () => {
    const { client, id, lease } = await running();
    expect((await lease.log("alone")).flush_ms).toBe(1_000);
    const response = await client.raw(`/anneal/v1/jobs/${id}/stream`);
    expect((await lease.log("heard")).flush_ms).toBe(100);
    await response.body?.cancel();
  });

  it("goes on from the head for an id of the future", async () => {
    const { client, id, lease } = await running();
    await lease.log("before");
    const response = await client.raw(`/v1/training_jobs/${id}/logs`, { "last-event-id": "999999" });
    const reader = new SseReader(response.body ?? new ReadableStream());
    await lease.log("after");
    expect((await reader.next())?.data).toMatchObject({ line: "after" });
    await reader.cancel();
  });

  it("refuses the 501st stream with 429 and says when to come again", { timeout: 60_000 }, async () => {
    const { client, id, object } = await running();
    const bare = id.replace("job_", "");
    const words = { queued: "", provisioning: "", running: "", testing: "", paused: "" };
    const statusWords = { ...words, completed: "", failed: "", timed_out: "", cancelled: "" };
    const open = () => object.stream(bare, { lastEventId: "999999", statusWords, readInstead: [] });
    const held = await Promise.all(Array.from({ length: 500 }, open));
    expect(held.every((answer) => answer.ok)).toBe(true);
    const refused = await client.get<VeriError>(`/v1/training_jobs/${id}/logs`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "5"]);
    expect(refused.body.error.message).toContain("500");
    for (const answer of held) if (answer.ok) await answer.value.body?.cancel();
  });

  it("answers a report that is repeated as before, and a gap with the expected seq", async () => {
    const { lease } = await running();
    const first = await lease.logReport(1, "once");
    expect(await lease.logReport(1, "once")).toMatchObject({ status: 200, body: { directive: "continue" } });
    expect(first.status).toBe(200);
    const gap = await lease.logReport(3, "too early");
    expect(gap).toMatchObject({ status: 409, body: { error: { code: "seq_gap", detail: { expected: 2 } } } });
  });
});

describe("a stream's upkeep", () => {
  it("seals by the alarm what a report has made too much, and nobody who reads sees a difference", async () => {
    const job = await running();
    await job.lease.log(...Array.from({ length: 50 }, (_, i) => `line ${String(i)}`));
    // As if 64 MiB lay between the first frame and this one.
    await runInDurableObject(job.object, (_, { storage }) => {
      storage.sql.exec("UPDATE frames SET upto = upto + 67108864 WHERE id = (SELECT max(id) FROM frames)");
    });
    await job.lease.log("one too many");
    expect(await rows(job, "SELECT name FROM timers WHERE name = 'seal'")).toHaveLength(1);
    await ring(job, "seal");
    expect(await rows(job, "SELECT first FROM segments")).toEqual([{ first: 1 }]);
    expect(await rows(job, "SELECT DISTINCT kind FROM frames")).toEqual([{ kind: "event" }]);
    expect(await rows(job, "SELECT name FROM timers WHERE name = 'seal'")).toEqual([]);
    await job.lease.complete({ "config.json": "{}" });
    const text = await (await job.client.raw(`/v1/training_jobs/${job.id}/logs`)).text();
    const ids = text.match(/^id: \d+$/gm) ?? [];
    expect(ids).toEqual(ids.map((_, index) => `id: ${String(index + 1)}`));
    expect(text.trimEnd()).toMatch(/event: end\ndata: \{"status":"completed"\}$/);
    expect(text.match(/"line":"line \d+"/g)).toHaveLength(50);
  });

  it(
    "archives an ended job after its days, and gives all of it back, again and again",
    { timeout: 30_000 },
    async () => {
      const job = await running();
      await job.lease.log("a line", "€");
      await job.lease.metrics({ 1: { loss: 1, reward: 2 }, 2: { loss: 0.1 + 0.2 }, 5: { loss: 1e-300 } });
      await job.lease.report([{ type: "metrics", ts_ms: 1, step: 5, kind: "eval", values: { accuracy: 0.5 } }]);
      await job.lease.complete({ "config.json": "{}" });
      const before = await history(job);
      const [timer] = await rows(job, "SELECT at_ms FROM timers WHERE name = 'archive'");
      expect(Math.round((Number(timer?.at_ms) - Date.now()) / 3600_000)).toBe(7 * 24);
      for (let times = 0; times < 2; times++) {
        await ring(job, "archive");
        expect(await rows(job, "SELECT key FROM meta ORDER BY key")).toEqual(
          ["archive", "job_id", "schema_version"].map((key) => ({ key })),
        );
        const tables = ["frames", "segments", "points", "keys", "lane", "lease", "timers"];
        for (const table of tables) expect(await rows(job, `SELECT * FROM ${table}`)).toEqual([]);
        expect(await runInDurableObject(job.object, (_, { storage }) => storage.getAlarm())).toBeNull();
        await evictDurableObject(job.object);
        expect(await history(job)).toEqual(before);
      }
      const last =
        (before.nativeStream as string)
          .match(/id: \d+/g)
          ?.at(-1)
          ?.slice(4) ?? "";
      await ring(job, "archive");
      const ended = await job.client.raw(`/anneal/v1/jobs/${job.id}/stream`, { "last-event-id": last });
      expect(ended.status).toBe(204);
      // What an agent says that comes back after a week changes nothing.
      await ring(job, "archive");
      expect((await job.lease.logReport(9, "late")).status).toBe(409);
      expect(await history(job)).toEqual(before);
      // Nor does a checkpoint that proves bad as late as that: nothing is written beside the archive.
      await ring(job, "archive");
      const bare = job.id.replace("job_", "");
      const { results } = await env.DB.prepare("SELECT id FROM checkpoints WHERE job_id = ?")
        .bind(bare)
        .all<{ id: string }>();
      await job.object.checkpointVerdict(bare, results[0]?.id ?? "", "its file is gone");
      const archived = await rows(job, "SELECT key FROM meta WHERE key = 'archive'");
      expect(await rows(job, "SELECT kind FROM frames WHERE kind = 'notice'")).toEqual([]);
      expect(archived).toEqual([]);
      expect(await history(job)).toEqual(before);
    },
  );
});
