/** What is deleted: nobody sees it from then on, and the sweep leaves no byte and no row of it. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Principal } from "../../worker/domain/accounts";
import type { DeletionStore } from "../../worker/domain/deletion-ports";
import { deleteDataset as deleteUnused } from "../../worker/services/delete-record";
import { databases } from "../../worker/stores/database";
import { D1DeletionStore } from "../../worker/stores/deletion-store";
import {
  chunksOf,
  claim,
  code,
  jobRequest,
  mustClaim,
  newAccount,
  newAgent,
  newDataset,
  newJob,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const TEST_SOURCE = "def exact(input_text, expected_output, predicted_output):\n    return 1.0\n";

const cancel = (principal: Principal, id: string) => using(async (s) => s.cancelJob(await s.getJob(principal, id)));
const deleteJob = (principal: Principal, id: string) => using(async (s) => s.deleteJob(await s.getJob(principal, id)));
const deleteDataset = (principal: Principal, id: string) =>
  using(async (s) => s.deleteDataset(await s.getDataset(principal, id)));
const sweep = () => using((s) => s.sweepDeleted());

async function newProject(principal: Principal) {
  return using((s) => s.createProject(principal, "p"));
}

function newTest(principal: Principal, name = "exact") {
  const source = new TextEncoder().encode(TEST_SOURCE.replace("exact", name));
  return using((s) => s.createFunction(principal, { name, format: "test", source }));
}

async function count(table: string, id: string, column = "id"): Promise<number> {
  const found = await env.DB.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${column} = ?`)
    .bind(id)
    .first<number>("n");
  return found ?? -1;
}

const keys = async (prefix: string) => (await env.BUCKET.list({ prefix })).objects.map(({ key }) => key);

/** One that has trained to its end. */
async function trained(principal: Principal, changes: Record<string, unknown> & { datasetId?: string } = {}) {
  const agent = await newAgent(principal);
  const job = await newJob(principal, changes);
  const lease = await mustClaim(agent);
  await reportStarted(agent, lease);
  for (const [kind, step] of [
    ["epoch", 5],
    ["final", 10],
  ] as const) {
    const request = await uploadCheckpoint(agent, lease, kind, step);
    await using((s) => s.commitCheckpoint(agent, lease.lease_id, request));
  }
  await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 10 }));
  return job;
}

describe("a job", () => {
  it("goes with its checkpoints, its rows and its object, in the sweep", async () => {
    const principal = await newAccount();
    const job = await trained(principal, { hyperparameters: { system_prompt: "s".repeat(5000) } });
    expect(await keys(`ckpt/${job.id}/`)).toHaveLength(4);
    expect(await keys(`specs/${job.id}`)).toHaveLength(1);
    await env.BUCKET.put(`streams/${job.id}/0-1-x.ndjson`, "sealed");

    await deleteJob(principal, job.id);
    expect(await code(using((s) => s.getJob(principal, job.id)))).toBe("not_found");
    expect((await using((s) => s.listJobs(principal, {}, { limit: 10 }))).items).toEqual([]);
    const based = { ...jobRequest(await newDataset(principal)), baseModel: `job_${job.id}` };
    expect(await code(using((s) => s.submitJob(principal, based, null)))).toBe("not_found");
    expect(await keys(`ckpt/${job.id}/`)).toHaveLength(4);

    await sweep();
    for (const prefix of ["ckpt", "streams", "specs"]) expect(await keys(`${prefix}/${job.id}`)).toEqual([]);
    expect(await count("jobs", job.id)).toBe(0);
    for (const table of ["tasks", "checkpoints", "job_events"]) expect(await count(table, job.id, "job_id")).toBe(0);
    const tables = await runInDurableObject(env.JOB.getByName(job.id), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'frames'").toArray(),
    );
    expect(tables).toEqual([]);
    // Nothing is left to do, and nothing falls over that.
    await sweep();
  });

  it(
    "with more files than a round takes goes in rounds, and after a crash between its steps",
    { timeout: 60_000 },
    async () => {
      const principal = await newAccount();
      const job = await newJob(principal);
      await cancel(principal, job.id);
      const files = Array.from({ length: 1001 }, (_, n) => `ckpt/${job.id}/1/1/x/${String(n)}`);
      for (let at = 0; at < files.length; at += 100) {
        await Promise.all(files.slice(at, at + 100).map((key) => env.BUCKET.put(key, "w")));
      }
      await deleteJob(principal, job.id);
      await env.JOB.getByName(job.id).erase(job.id);
      await sweep();
      expect([(await keys(`ckpt/${job.id}/`)).length, await count("jobs", job.id)]).toEqual([1, 1]);
      await sweep();
      expect([(await keys(`ckpt/${job.id}/`)).length, await count("jobs", job.id)]).toEqual([0, 0]);
    },
  );

  it("stays while it lives, and while one lives that begins from it", async () => {
    const principal = await newAccount();
    const base = await trained(principal);
    const next = await newJob(principal, { baseModel: `job_${base.id}`, datasetId: base.datasetId });
    const refusal = await using((s) => s.deleteJob(base)).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "conflict", detail: { facts: { job_id: next.id } } });
    expect(await code(deleteJob(principal, next.id))).toBe("conflict");
    await cancel(principal, next.id);
    expect(await code(deleteJob(principal, base.id))).toBe("ok");
  });

  it("whose base, dataset or function is gone is not tried again", async () => {
    const principal = await newAccount();
    const job = await newJob(principal);
    await cancel(principal, job.id);
    await deleteDataset(principal, job.datasetId);
    const again = using(async (s) => s.retryJob(await s.getJob(principal, job.id), { from: "start" }, null));
    await expect(again).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("dataset") as string,
    });
  });

  it("is not made again by the key that has made it", async () => {
    const principal = await newAccount();
    const request = jobRequest(await newDataset(principal));
    const once = { key: "k", requestSha256: "s", route: "r" };
    const job = await using((s) => s.submitJob(principal, request, once));
    await cancel(principal, job.id);
    await deleteJob(principal, job.id);
    expect(await code(using((s) => s.submitJob(principal, request, once)))).toBe("idempotency_mismatch");
  });
});

describe("a dataset", () => {
  it.each([
    ["trained on", (id: string) => ({ datasetId: id })],
    ["evaluated on", (id: string) => ({ eval: { datasetId: id } })],
    ["tested on", (id: string) => ({ test: { datasetId: id, functions: [] } })],
  ])("that is %s stays; afterwards its bytes go", async (_, use) => {
    const principal = await newAccount();
    const id = await newDataset(principal);
    const job = await newJob(principal, use(id));
    expect(await code(deleteDataset(principal, id))).toBe("conflict");
    await cancel(principal, job.id);
    await deleteDataset(principal, id);
    expect(await code(using((s) => s.getDataset(principal, id)))).toBe("not_found");
    expect(await code(using((s) => s.submitJob(principal, jobRequest(id), null)))).toBe("not_found");
    expect(await keys(`datasets/${principal.accountId}/${id}`)).toHaveLength(1);
    await sweep();
    expect(await keys(`datasets/${principal.accountId}/${id}`)).toEqual([]);
    expect(await count("datasets", id)).toBe(0);
  });

  it("is not marked once a job has come between the look and the mark", async () => {
    const principal = await newAccount();
    const job = await newJob(principal);
    const store = new D1DeletionStore(databases(env.DB));
    const what = { kind: "dataset" as const, accountId: principal.accountId, id: job.datasetId };
    expect(await store.mark(what, 1)).toBe(false);
    expect(await code(using((s) => s.getDataset(principal, job.datasetId)))).toBe("ok");
    await cancel(principal, job.id);
    expect([await store.mark(what, 1), await store.mark(what, 2)]).toEqual([true, false]);
  });

  it("goes although a job came between the look and the mark, when that has ended since", async () => {
    const principal = await newAccount();
    const job = await newJob(principal);
    const store = new D1DeletionStore(databases(env.DB));
    let looks = 0;
    const deletions: DeletionStore = {
      liveUser: async (what) => (looks++ === 0 ? null : store.liveUser(what)),
      mark: async (what, nowMs) => {
        const isMarked = await store.mark(what, nowMs);
        if (!isMarked) await cancel(principal, job.id);
        return isMarked;
      },
      server: (what) => store.server(what),
      liveKey: (id) => store.liveKey(id),
      marked: (limit) => store.marked(limit),
      erase: (what, nowMs) => store.erase(what, nowMs),
    };
    const dataset = await using((s) => s.getDataset(principal, job.datasetId));
    await deleteUnused({ deletions, clock: { nowMs: () => Date.now() } }, dataset);
    expect(await code(using((s) => s.getDataset(principal, job.datasetId)))).toBe("not_found");
  });

  it("that was deleted under a queued job fails that job's lease", async () => {
    const principal = await newAccount();
    const job = await newJob(principal);
    await env.DB.prepare("UPDATE datasets SET deleted_at_ms = 1 WHERE id = ?").bind(job.datasetId).run();
    expect(await claim(await newAgent(principal))).toBeNull();
    expect((await using((s) => s.getJob(principal, job.id))).lostInARow).toBe(1);
  });
});

describe("a testing function", () => {
  it("is found by its name, beside the shared ones, until it is deleted", async () => {
    const principal = await newAccount();
    const made = await newTest(principal);
    const shown = await using((s) => s.listTestFunctions(principal));
    expect(shown.at(-1)).toEqual({ name: "exact", content: TEST_SOURCE, dependencies: [] });
    const shared = shown[0]?.name ?? "";
    expect(await using((s) => s.findTestFunction(principal, shared))).toBe(`shared:${shared}`);
    expect(await using((s) => s.findTestFunction(principal, "exact"))).toBe(made.id);
    expect(await using((s) => s.findTestFunction(principal, "exactly"))).toBeNull();
    expect(await using(async (s) => s.findTestFunction(await newAccount(), "exact"))).toBeNull();
    await using((s) => s.deleteFunction(made));
    expect(await using((s) => s.findTestFunction(principal, "exact"))).toBeNull();
    await sweep();
    expect(await keys(`functions/${principal.accountId}/`)).toEqual([]);
  });

  it("stays while a job that has not ended tests by it, or is rewarded by it", async () => {
    const principal = await newAccount();
    const fn = await newTest(principal);
    const remove = () => code(using((s) => s.deleteFunction(fn)));
    const tested = await newJob(principal, { test: { splitPercent: 20, functions: [{ id: fn.id }] } });
    expect(await remove()).toBe("conflict");
    await cancel(principal, tested.id);
    const rewarded = await newJob(principal, { method: "grpo", functions: [{ id: fn.id, weight: 1 }] });
    expect(await remove()).toBe("conflict");
    await cancel(principal, rewarded.id);
    expect(await remove()).toBe("ok");
    for (const job of [tested, rewarded]) {
      const again = using(async (s) => s.retryJob(await s.getJob(principal, job.id), { from: "start" }, null));
      await expect(again).rejects.toMatchObject({
        code: "conflict",
        message: expect.stringContaining("rf_") as string,
      });
    }
  });

  it("of one name there is one, though two come at once", async () => {
    const principal = await newAccount();
    const both = await Promise.all([code(newTest(principal)), code(newTest(principal))]);
    expect(both.sort()).toEqual(["conflict", "ok"]);
    expect(await keys(`functions/${principal.accountId}/`)).toHaveLength(1);
  });
});

describe("a project", () => {
  it("takes what is in it along, and nothing else", async () => {
    const principal = await newAccount();
    const project = await newProject(principal);
    const inIt = { ...principal, projectId: project.id };
    const [kept, dataset] = [await newDataset(principal), await newDataset(inIt)];
    const job = await newJob(inIt, { datasetId: dataset });
    const fn = await newTest(inIt);
    const remove = () => using((s) => s.deleteProject(principal, project));
    await expect(remove()).rejects.toMatchObject({ code: "conflict", detail: { facts: { job_id: job.id } } });
    await cancel(principal, job.id);
    await remove();
    for (const gone of [
      using((s) => s.getProject(principal, project.id)),
      using((s) => s.getDataset(principal, dataset)),
      using((s) => s.getJob(principal, job.id)),
      using((s) => s.getFunction(principal, fn.id)),
    ]) {
      expect(await code(gone)).toBe("not_found");
    }
    expect(await code(using((s) => s.getDataset(principal, kept)))).toBe("ok");
    // What was made in the very moment in which it was deleted goes in a later round.
    const late = { ...inIt, projectId: project.id };
    const lateDataset = await newDataset(late);
    await sweep();
    await sweep();
    expect(await count("datasets", lateDataset)).toBe(0);
    await sweep();
    for (const [table, id] of [
      ["projects", project.id],
      ["datasets", dataset],
      ["jobs", job.id],
      ["functions", fn.id],
    ]) {
      expect(await count(table ?? "", id ?? "")).toBe(0);
    }
    expect(await count("datasets", kept)).toBe(1);
  });

  it("stays while a job elsewhere uses what is in it, or a key has it as its own", async () => {
    const principal = await newAccount();
    const project = await newProject(principal);
    const dataset = await newDataset({ ...principal, projectId: project.id });
    const job = await newJob(principal, { datasetId: dataset });
    const remove = () => code(using((s) => s.deleteProject(principal, project)));
    expect(await remove()).toBe("conflict");
    await cancel(principal, job.id);
    const { record } = await using((s) => s.createKey({ ...principal, projectId: project.id }, "own", "sk-"));
    expect(await remove()).toBe("conflict");
    await using((s) => s.revokeKey(principal, record.id));
    expect(await remove()).toBe("ok");
  });

  it("lists its own datasets alone", async () => {
    const principal = await newAccount();
    const project = await newProject(principal);
    await newDataset(principal);
    const own = await newDataset({ ...principal, projectId: project.id });
    const filter = { projectId: project.id };
    const listed = await using((s) => s.listDatasets(principal, { limit: 10 }, filter));
    expect(listed.items.map(({ id }) => id)).toEqual([own]);
  });
});

describe("a dataset's name", () => {
  it("is its file's, without the ending, where nobody says another", async () => {
    const principal = await newAccount();
    const upload = (name: string | undefined, fileName?: string) =>
      using((s) => s.uploadDataset(principal, { name, fileName, chunks: chunksOf("text,label\na,b"), maxBytes: 100 }));
    expect(await upload(undefined, "my rows.v2.csv")).toMatchObject({ name: "my rows.v2", fileName: "my rows.v2.csv" });
    expect(await upload("said", "rows.csv")).toMatchObject({ name: "said", profile: { fileKind: "csv" } });
    expect(await code(upload(undefined))).toBe("invalid_request");
  });
});
