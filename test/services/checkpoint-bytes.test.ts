/** What becomes of a checkpoint's bytes: read again when they are many, and swept when nobody committed them. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Principal } from "../../worker/domain/accounts";
import {
  claim,
  code,
  expire,
  mustClaim,
  newAccount,
  newAgent,
  newJob,
  ORIGIN,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Two parts, and over what a commit reads back. */
const LARGE = new Uint8Array(65 * MIB).fill(7);

async function running() {
  const principal = await newAccount();
  const agent = await newAgent(principal);
  const job = await newJob(principal);
  const lease = await mustClaim(agent);
  await reportStarted(agent, lease);
  return { principal, agent, job, lease };
}

async function commit(
  run: Awaited<ReturnType<typeof running>>,
  ...file: [kind: "resume" | "final" | "epoch", step: number, bytes?: Uint8Array]
) {
  const { agent, lease } = run;
  const request = await uploadCheckpoint(agent, lease, ...file);
  await using((s) => s.commitCheckpoint(agent, lease.lease_id, request));
  return request;
}

const column = async (id: string, name: "state" | "verify_after_ms") =>
  (await env.DB.prepare(`SELECT ${name} AS found FROM checkpoints WHERE id = ?`).bind(id).first<{ found: unknown }>())
    ?.found;

function keyOf(upload: string): string {
  return upload.slice(upload.indexOf("@") + 1);
}

/** As when a bucket's bytes rot, or somebody writes below the worker: same size, other content. */
async function tamper(id: string, upload: string, sizeBytes: number): Promise<void> {
  await env.BUCKET.put(keyOf(upload), new Uint8Array(sizeBytes));
  await env.DB.prepare("UPDATE checkpoints SET verify_after_ms = 1 WHERE id = ?").bind(id).run();
}

async function notices(principal: Principal, jobId: string): Promise<string> {
  return using(async (s) => {
    const words = {
      queued: "",
      provisioning: "",
      running: "",
      testing: "",
      paused: "",
      completed: "",
      failed: "",
      timed_out: "",
      cancelled: "",
    };
    const stream = await s.jobStream(await s.getJob(principal, jobId), {
      lastEventId: "0",
      readInstead: [],
      statusWords: words,
    });
    const reader = stream.body?.getReader();
    const first = await reader?.read();
    await reader?.cancel();
    return new TextDecoder().decode(first?.value as Uint8Array);
  });
}

describe("a large file", () => {
  it(
    "is read again after the commit; one whose bytes changed makes its checkpoint bad, and a resume takes the one before",
    { timeout: 120_000 },
    async () => {
      const run = await running();
      await commit(run, "resume", 4);
      const large = await commit(run, "resume", 8, LARGE);
      const message = { jobId: run.job.id, checkpointId: large.checkpoint_id, file: 0 };
      await using((s) => s.verifyCheckpoint(message));
      expect(await column(large.checkpoint_id, "verify_after_ms")).toBeNull();
      expect(await column(large.checkpoint_id, "state")).toBe("committed");

      await tamper(large.checkpoint_id, large.files[0]?.upload ?? "", LARGE.byteLength);
      await using((s) => s.verifyCheckpoint(message));
      expect(await column(large.checkpoint_id, "state")).toBe("bad");
      expect(await notices(run.principal, run.job.id)).toContain("the resume checkpoint of step 8 is bad");
      await using((s) => s.verifyCheckpoint(message));
      await expire(run.job.id);
      const next = await claim(await newAgent(run.principal));
      expect(next?.inputs.resume?.step).toBe(4);
    },
  );

  it("of a final checkpoint that proves bad is not served, and the job's status stands", async () => {
    const run = await running();
    await commit(run, "epoch", 5);
    const final = await commit(run, "final", 10);
    await using((s) => s.finishTask(run.agent, run.lease.lease_id, { outcome: "completed", step: 10 }));
    const door = env.JOB.getByName(run.job.id);
    await door.checkpointVerdict(run.job.id, final.checkpoint_id, "its file model.tar.gz has another SHA-256");
    const done = await using((s) => s.getJob(run.principal, run.job.id));
    expect(done.status).toBe("completed");
    expect(await using((s) => s.modelArchive(done, ORIGIN))).toBeNull();
    await expect(using((s) => s.modelDownload(done, ORIGIN))).rejects.toThrow("checkpoint 1, of step 5");
    expect(await code(newJob(run.principal, { baseModel: `job_${run.job.id}` }))).toBe("invalid_request");
    expect(await code(newJob(run.principal, { baseModel: `job_${run.job.id}@1` }))).toBe("ok");
  });

  it("that no message came for is named by the sweep", async () => {
    const run = await running();
    const { checkpoint_id: id, files } = await commit(run, "resume", 4);
    await tamper(id, files[0]?.upload ?? "", 3);
    const before = Date.now();
    await using((s) => s.sweepBytes());
    // Small as it is, nothing of it is to be read: the message finds that out and says so.
    expect(Number((await column(id, "verify_after_ms")) ?? before + 1)).toBeGreaterThan(before);
    await using((s) => s.verifyCheckpoint({ jobId: run.job.id, checkpointId: id, file: 0 }));
    expect(await column(id, "verify_after_ms")).toBeNull();
  });
});

async function begunOf(jobId: string): Promise<unknown[]> {
  const { results } = await env.DB.prepare("SELECT checkpoint_id AS id FROM begun_checkpoints WHERE job_id = ?")
    .bind(jobId)
    .all();
  return results.map(({ id }) => id);
}

/** As a crash leaves it: the commit is done, and what comes after it is not. */
async function begunLongAgo(jobId: string, id: string, key: string): Promise<void> {
  await expect.poll(() => begunOf(jobId)).not.toContain(id);
  await env.DB.prepare("INSERT INTO begun_checkpoints VALUES (?, ?, ?, 0)")
    .bind(id, jobId, key.slice(0, key.lastIndexOf("/") + 1))
    .run();
}

describe("a checkpoint that was begun", () => {
  it("has fresh keys each time, commits twice to one answer, and is forgotten then", async () => {
    const run = await running();
    const [first, second] = [
      await uploadCheckpoint(run.agent, run.lease, "resume", 4),
      await uploadCheckpoint(run.agent, run.lease, "resume", 4),
    ];
    expect(keyOf(first.files[0]?.upload ?? "")).not.toBe(keyOf(second.files[0]?.upload ?? ""));
    const commitOf = () => using((s) => s.commitCheckpoint(run.agent, run.lease.lease_id, second));
    expect(await commitOf()).toEqual(await commitOf());
    await expect.poll(() => begunOf(run.job.id)).toEqual([first.checkpoint_id]);
  });

  it("and never committed is swept after 7 days, bytes and all; a committed one whose row was left is not", async () => {
    const run = await running();
    const orphan = await uploadCheckpoint(run.agent, run.lease, "resume", 4);
    const kept = await commit(run, "resume", 6);
    const [orphanKey, keptKey] = [keyOf(orphan.files[0]?.upload ?? ""), keyOf(kept.files[0]?.upload ?? "")];
    // Completed, and then the agent was gone.
    const uploadId = orphan.files[0]?.upload.split("@")[0] ?? "";
    const parts = orphan.files[0]?.parts.map(({ number, etag }) => ({ partNumber: number, etag })) ?? [];
    await env.BUCKET.resumeMultipartUpload(orphanKey, uploadId).complete(parts);
    await begunLongAgo(run.job.id, kept.checkpoint_id, keptKey);
    await using((s) => s.sweepBytes());
    expect(await env.BUCKET.head(orphanKey)).not.toBeNull();
    await env.DB.prepare("UPDATE begun_checkpoints SET begun_at_ms = ? WHERE checkpoint_id = ?")
      .bind(Date.now() - 7 * DAY_MS - 1, orphan.checkpoint_id)
      .run();
    await using((s) => s.sweepBytes());
    expect(await env.BUCKET.head(orphanKey)).toBeNull();
    expect(await env.BUCKET.head(keptKey)).not.toBeNull();
    expect(await begunOf(run.job.id)).toEqual([]);
  });

  it("what a crash left of superfluous resume checkpoints goes with the sweep", async () => {
    const run = await running();
    const marked = await commit(run, "resume", 2);
    const markedKey = keyOf(marked.files[0]?.upload ?? "");
    // The object ended between the mark and the deletion.
    await env.DB.prepare("UPDATE checkpoints SET state = 'deleted' WHERE id = ?").bind(marked.checkpoint_id).run();
    await begunLongAgo(run.job.id, marked.checkpoint_id, markedKey);
    const final = await commit(run, "final", 10);
    const late = await commit(run, "resume", 6);
    const lateKey = keyOf(late.files[0]?.upload ?? "");
    // The object ended after the final checkpoint was committed, and before the rest.
    await begunLongAgo(run.job.id, final.checkpoint_id, keyOf(final.files[0]?.upload ?? ""));
    expect(await env.BUCKET.head(markedKey)).not.toBeNull();
    expect(await env.BUCKET.head(lateKey)).not.toBeNull();
    await using((s) => s.sweepBytes());
    expect(await env.BUCKET.head(markedKey)).toBeNull();
    expect(await env.BUCKET.head(lateKey)).toBeNull();
    expect(await env.BUCKET.head(keyOf(final.files[0]?.upload ?? ""))).not.toBeNull();
    expect(await column(late.checkpoint_id, "state")).toBe("deleted");
  });

  it("an upload session whose alarm was lost is swept too", async () => {
    const principal = await newAccount();
    const wanted = { filename: "f", purpose: "dataset" as const, sizeBytes: null, sha256: null, contentType: null };
    const { id } = await using((s) => s.createUpload(principal, wanted));
    await env.DB.prepare("UPDATE uploads SET expires_at_ms = 1 WHERE id = ?").bind(id).run();
    await using((s) => s.sweepBytes());
    const { results } = await env.DB.prepare("SELECT state FROM uploads WHERE id = ?").bind(id).all();
    expect(results).toEqual([{ state: "expired" }]);
  });
});
