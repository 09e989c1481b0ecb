/**
 * The crash table of docs/architecture.md, row by row: each test arms a fault point, crashes there and shows what heals
 * it. A crash is `ctx.abort()`: the object ends at that point, and what it had in memory is gone.
 */
import {
  createExecutionContext,
  createMessageBatch,
  getQueueResult,
  runDurableObjectAlarm,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { jobObjectParts, services, type JobObjectParts } from "../../worker/container";
import { FAULT_POINTS, type FaultPoint } from "../../worker/domain/faults";
import type { QueueMessage } from "../../worker/domain/ports";
import { consumeDispatch } from "../../worker/queues/dispatch";
import type { ModuleConfigChanges } from "../../worker/services/module-services";
import type { Services } from "../../worker/services/services";
import { EventLog } from "../../worker/streams/event-log";
import {
  chunksOf,
  claim,
  code,
  CPU_SLOT,
  jobRequest,
  mustClaim,
  newAccount,
  newAgent,
  newDataset,
  newJob,
  ORIGIN,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const CRASH = "crashed by the test";
const reached = new Set<FaultPoint>();

afterEach(() => vi.useRealTimers());
afterAll(() => expect([...reached].sort()).toEqual([...FAULT_POINTS].sort()));

/** Only the clock stands still and is moved: whoever waits still waits. */
function moveClock(byMs: number): void {
  const nowMs = Date.now() + byMs;
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["Date"], now: nowMs });
}

/** Runs `work` in the job's object, which is lost when it comes to `point`. */
async function crashAt(jobId: string, point: FaultPoint, work: (parts: JobObjectParts) => Promise<unknown>) {
  const lost = runInDurableObject(env.JOB.getByName(jobId), (_, state) => {
    const at = async (here: FaultPoint) => {
      if (here !== point) return;
      reached.add(point);
      // What was written before the point is on disk; only what is in memory is lost.
      await state.storage.sync();
      state.abort(CRASH);
    };
    return work(jobObjectParts(state, env, jobId, { at }));
  });
  await expect(lost).rejects.toThrow(CRASH);
}

/** Runs `work` with the services of a request that dies when it comes to `point`. */
async function dieAt(point: FaultPoint, work: (s: Services) => Promise<unknown>): Promise<void> {
  await expect(work(dyingServices(point))).rejects.toThrow(CRASH);
}

function dyingServices(point: FaultPoint): Services {
  const ctx = createExecutionContext();
  const at = (here: FaultPoint) => {
    if (here !== point) return;
    reached.add(point);
    throw new Error(CRASH);
  };
  return services(env, (later) => ctx.waitUntil(later), { at });
}

/** What the object's stream has by itself: a read through the services would catch it up. */
async function streamOf(jobId: string): Promise<string[]> {
  return runInDurableObject(env.JOB.getByName(jobId), (_, { storage }) =>
    new EventLog(storage).listEvents({ limit: 100 }).items.map((event) => event.type),
  );
}

async function ringAlarm(jobId: string): Promise<void> {
  await runDurableObjectAlarm(env.JOB.getByName(jobId));
}

async function statusIn(jobId: string): Promise<string | undefined> {
  return (await env.DB.prepare("SELECT status FROM jobs WHERE id = ?").bind(jobId).first<{ status: string }>())?.status;
}

async function sweptIds(): Promise<string[]> {
  const sent = vi.spyOn(env.DISPATCH, "sendBatch");
  await using((s) => s.sweep());
  const ids = sent.mock.calls.flatMap(([batch]) => [...batch].map((message) => message.body.jobId));
  sent.mockRestore();
  return ids;
}

async function leased() {
  const principal = await newAccount();
  const agent = await newAgent(principal);
  const job = await newJob(principal);
  return { principal, agent, job, lease: await mustClaim(agent) };
}

async function running() {
  const made = await leased();
  await reportStarted(made.agent, made.lease);
  return made;
}

const beat = { lane: "heartbeat" as const, step: 1 };
const cancel = { type: "cancel" as const };

describe("created in D1, no tick, no message", () => {
  async function untold() {
    const principal = await newAccount();
    const request = jobRequest(await newDataset(principal));
    await dieAt("created", (s) => s.submitJob(principal, request, null));
    const [job] = (await using((s) => s.listJobs(principal, {}, { limit: 2 }))).items;
    if (!job) throw new Error("the job is not in D1");
    return { principal, job };
  }

  it("is swept after 30 seconds and submitted by the tick", async () => {
    const { job } = await untold();
    expect(await sweptIds()).not.toContain(job.id);
    moveClock(31_000);
    expect(await sweptIds()).toContain(job.id);
    await using((s) => s.tickJob(job.id));
    expect(await streamOf(job.id)).toEqual(["created", "submitted"]);
  });

  it("is seen by any read, and found by an agent's poll", async () => {
    const { principal, job } = await untold();
    const events = await using((s) => s.jobEvents(job, { limit: 5 }));
    expect(events.items.map((event) => event.type)).toEqual(["created"]);
    expect((await mustClaim(await newAgent(principal))).job_id).toBe(job.id);
  });
});

describe("a task made for a Training Module session, whose row does not know it", () => {
  /** Both tasks of a session, of which one was made by a request that died, and the session has changed since. */
  async function orphaned() {
    const { key: apiKey } = await using((s) => s.createAccount("test"));
    const reading = (s: Services) => s.authenticate(apiKey.key, "write", { kind: "module" });
    const session = async () => {
      const { principal, first } = await using(reading);
      return { principal, session: first.module };
    };
    const { key } = await using(async (s) => s.startModuleSession(await session(), false));
    const keyed = async () => ({ ...(await session()), key });
    const text = '{"text":"good","label":"yes"}\n{"text":"bad","label":"no"}\n';
    async function* files() {
      for (const field of ["train_file", "test_file"]) yield { field, fileName: "f.jsonl", chunks: chunksOf(text) };
      await Promise.resolve();
    }
    await using(async (s) => s.uploadModuleData(await keyed(), files(), 1e6));
    const set = (config: ModuleConfigChanges) => using(async (s) => s.configureModule(await keyed(), config));
    await set({ taskType: "classification", cacheDir: "kept" });
    const call = await keyed();
    await dieAt("created", (s) => s.preprocessModule(call));
    await dieAt("created", (s) => s.importModuleModel(call, { name: "anneal/tiny-bert", taskType: "classification" }));
    expect((await set({ epochs: 2 })).state).toBe("setup");
    const statuses = () =>
      using(async (s) => {
        const kinds = (["preprocess", "import"] as const).map((kind) =>
          s.listJobs(call.principal, { kind }, { limit: 5 }),
        );
        return (await Promise.all(kinds)).flatMap(({ items }) => items.map(({ status }) => status));
      });
    expect(await statuses()).toEqual(["queued", "queued"]);
    return { session, keyed, statuses };
  }

  it("is cancelled when the session is wiped by another", async () => {
    const { session, statuses } = await orphaned();
    await using(async (s) => s.startModuleSession(await session(), true));
    expect(await statuses()).toEqual(["cancelled", "cancelled"]);
  });

  it("is cancelled when the session begins another of its kind", async () => {
    const { keyed, statuses } = await orphaned();
    await using(async (s) => s.preprocessModule(await keyed()));
    expect((await keyed()).session).toMatchObject({ preprocess: { status: "queued" }, import: null });
    expect(await statuses()).toEqual(["queued", "cancelled", "queued"]);
  });

  it("is cancelled when the session is stopped by force, and no other session's is", async () => {
    const { keyed, statuses } = await orphaned();
    const other = await orphaned();
    await using(async (s) => s.stopModuleTraining(await keyed(), true));
    expect([await statuses(), await other.statuses()]).toEqual([
      ["cancelled", "cancelled"],
      ["queued", "queued"],
    ]);
  });
});

describe("a transition under way", () => {
  it("whose intent was stored and D1 never asked is dropped after 10 seconds, and can be tried again", async () => {
    const job = await newJob(await newAccount());
    await crashAt(job.id, "intent_stored", (parts) => parts.door.transition(cancel, "k"));
    expect(await statusIn(job.id)).toBe("queued");
    moveClock(10_001);
    await ringAlarm(job.id);
    expect(await streamOf(job.id)).toEqual(["created", "submitted"]);
    await env.JOB.getByName(job.id).command(job.id, cancel, "k");
    expect(await streamOf(job.id)).toEqual(["created", "submitted", "cancelled"]);
  });

  it("that D1 committed is appended by the 10 s timer, to the end item", async () => {
    const job = await newJob(await newAccount());
    await crashAt(job.id, "committed", (parts) => parts.door.transition(cancel, "k"));
    expect([await statusIn(job.id), await streamOf(job.id)]).toEqual(["cancelled", ["created", "submitted"]]);
    moveClock(10_001);
    await ringAlarm(job.id);
    expect(await streamOf(job.id)).toEqual(["created", "submitted", "cancelled"]);
    const left = await runInDurableObject(env.JOB.getByName(job.id), (_, { storage }) => ({
      ended: new EventLog(storage).endedAt() !== null,
      intents: storage.sql.exec("SELECT tid FROM intent").toArray().length,
    }));
    expect(left).toEqual({ ended: true, intents: 0 });
  });

  it("that D1 committed gives a retry the first answer, and is appended once", async () => {
    const job = await newJob(await newAccount());
    await crashAt(job.id, "committed", (parts) => parts.door.transition(cancel, "k"));
    const again = await env.JOB.getByName(job.id).command(job.id, cancel, "k");
    expect(again.ok && again.value.status).toBe("cancelled");
    expect((await streamOf(job.id)).filter((type) => type === "cancelled")).toHaveLength(1);
  });

  it("whose batch committed and timed out goes on as if it had answered", async () => {
    const job = await newJob(await newAccount());
    const after = await runInDurableObject(env.JOB.getByName(job.id), (_, state) => {
      const at = (here: FaultPoint) => {
        if (here === "committed") throw new Error("D1_ERROR: timeout");
      };
      return jobObjectParts(state, env, job.id, { at }).door.transition(cancel, "k");
    });
    expect(after.status).toBe("cancelled");
    expect(await streamOf(job.id)).toEqual(["created", "submitted", "cancelled"]);
  });

  it("of which nobody was told is found by the sweep", async () => {
    const { agent, job, lease } = await leased();
    const release = { reason: "preempted" as const, message: "bye" };
    await crashAt(job.id, "appended", (parts) => parts.release(agent.agentId, lease.epoch, release));
    expect((await streamOf(job.id)).at(-1)).toBe("requeued");
    moveClock(31_000);
    expect(await sweptIds()).toContain(job.id);
  });
});

describe("a claim that was granted and not answered", () => {
  it("is answered to the same claim id, with the same lease", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const request = { claim_id: crypto.randomUUID(), free_slots: [CPU_SLOT], wait_ms: 0 };
    await dieAt("claim_committed", (s) => s.leaseTask(agent, request, ORIGIN));
    expect(await statusIn(job.id)).toBe("provisioning");
    expect((await claim(agent, request.claim_id))?.lease_id).toBe(`${job.id}.1`);
  });

  it("else expires", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const request = { claim_id: crypto.randomUUID(), free_slots: [CPU_SLOT], wait_ms: 0 };
    await dieAt("claim_committed", (s) => s.leaseTask(agent, request, ORIGIN));
    moveClock(60_001);
    await ringAlarm(job.id);
    expect(await statusIn(job.id)).toBe("queued");
    expect((await mustClaim(agent)).lease_id).toBe(`${job.id}.2`);
  });
});

describe("messages", () => {
  const batchOf = (jobId: string, count: number) =>
    createMessageBatch<QueueMessage>(
      "anneal-dispatch",
      Array.from({ length: count }, (_, n) => ({
        ...{ id: String(n), timestamp: new Date(), attempts: 1, body: { type: "tick" as const, jobId } },
      })),
    );

  it("that fail are tried again", async () => {
    const job = await newJob(await newAccount());
    const ctx = createExecutionContext();
    const batch = batchOf(job.id, 1);
    await consumeDispatch(batch, (jobId) => dyingServices("message_taken").tickJob(jobId));
    const { explicitAcks, retryMessages } = await getQueueResult(batch, ctx);
    expect([explicitAcks, retryMessages.map((message) => message.msgId)]).toEqual([[], ["0"]]);
  });

  it("that come twice at once do nothing twice", async () => {
    const job = await newJob(await newAccount());
    const batch = batchOf(job.id, 3);
    await consumeDispatch(batch, (jobId) => using((s) => s.tickJob(jobId)));
    expect((await getQueueResult(batch, createExecutionContext())).explicitAcks).toHaveLength(3);
    expect(await streamOf(job.id)).toEqual(["created", "submitted"]);
  });
});

describe("the alarm", () => {
  it("that fails rings again", async () => {
    const { job } = await leased();
    moveClock(60_001);
    // D1 without its table: whatever the alarm wants of it fails.
    await env.DB.prepare("ALTER TABLE jobs RENAME TO jobs_away").run();
    await ringAlarm(job.id);
    await env.DB.prepare("ALTER TABLE jobs_away RENAME TO jobs").run();
    const object = env.JOB.getByName(job.id);
    expect(await runInDurableObject(object, (_, state) => state.storage.getAlarm())).not.toBeNull();
    moveClock(5_000);
    await ringAlarm(job.id);
    expect(await statusIn(job.id)).toBe("queued");
  });

  it("that was lost for good is made up for by the seen_at sweep", async () => {
    const { job } = await leased();
    await crashAt(job.id, "alarm_rung", (parts) => parts.door.onAlarm());
    await runInDurableObject(env.JOB.getByName(job.id), (_, state) => state.storage.deleteAlarm());
    moveClock(11 * 60_000);
    expect(await sweptIds()).toContain(job.id);
    await using((s) => s.tickJob(job.id));
    // Nobody could have heard the agent meanwhile: it has one more period.
    expect(await statusIn(job.id)).toBe("provisioning");
    moveClock(60_001);
    await ringAlarm(job.id);
    expect(await statusIn(job.id)).toBe("queued");
  });
});

describe("reports", () => {
  it("that were applied and not answered are applied once", async () => {
    const { principal, agent, job, lease } = await running();
    const metrics = { type: "metrics" as const, ts_ms: 1, step: 1, kind: "train" as const, values: { loss: 1 } };
    const report = { lane: "data" as const, seq: 2, items: [metrics] };
    await crashAt(job.id, "report_applied", (parts) => parts.reports.report(agent.agentId, lease.epoch, report));
    const again = await using((s) => s.reportTask(agent, lease.lease_id, report));
    expect(again.directive).toBe("continue");
    const stored = await runInDurableObject(env.JOB.getByName(job.id), (_, { storage }) =>
      storage.sql.exec("SELECT id FROM frames WHERE kind = 'metric'").toArray(),
    );
    expect(stored).toHaveLength(1);
    const { points } = await using(async (s) => s.jobMetrics(await s.getJob(principal, job.id), { maxPoints: 9 }));
    expect(points).toHaveLength(1);
  });
});

describe("a control plane that was away for longer than a lease", () => {
  it("forgives a lease when its own alarm is ten minutes late", async () => {
    const { agent, job, lease } = await running();
    await crashAt(job.id, "report_received", (parts) => parts.reports.report(agent.agentId, lease.epoch, beat));
    moveClock(600_000);
    await ringAlarm(job.id);
    expect(await statusIn(job.id)).toBe("running");
    expect((await using((s) => s.reportTask(agent, lease.lease_id, beat))).directive).toBe("continue");
    expect(await streamOf(job.id)).not.toContain("attempt_lost");
  });

  it("has a job in its tests again that was revived and then cut short", async () => {
    const { agent, job, lease } = await running();
    const tests = (seq: number) => {
      const items = [{ type: "testing" as const, ts_ms: 1, done: 0, total: 2 }];
      return using((s) => s.reportTask(agent, lease.lease_id, { lane: "data", seq, items }));
    };
    await tests(2);
    expect(await statusIn(job.id)).toBe("testing");
    moveClock(60_001);
    await ringAlarm(job.id);
    await crashAt(job.id, "appended", (parts) => parts.reports.report(agent.agentId, lease.epoch, beat));
    expect(await statusIn(job.id)).toBe("running");
    await tests(3);
    expect(await statusIn(job.id)).toBe("testing");
  });

  it("revives the lease that it took from an agent whom it could not hear", async () => {
    const { agent, job, lease } = await running();
    await crashAt(job.id, "report_received", (parts) => parts.reports.report(agent.agentId, lease.epoch, beat));
    moveClock(60_001);
    await ringAlarm(job.id);
    expect(await statusIn(job.id)).toBe("queued");
    moveClock(600_000);
    expect((await using((s) => s.reportTask(agent, lease.lease_id, beat))).directive).toBe("continue");
    expect(await statusIn(job.id)).toBe("running");
  });
});

describe("a checkpoint's commit", () => {
  for (const point of ["parts_uploaded", "parts_completed", "manifest_stored", "committed"] as const) {
    it(`that crashed at ${point} may be repeated, and counts once`, async () => {
      const { agent, job, lease } = await running();
      const commit = await uploadCheckpoint(agent, lease, "final", 10);
      await crashAt(job.id, point, (parts) => parts.checkpoints.commit(agent.agentId, lease.epoch, commit));
      const answer = await using((s) => s.commitCheckpoint(agent, lease.lease_id, commit));
      expect(answer).toEqual({ checkpoint_id: commit.checkpoint_id, ordinal: 1 });
      const rows = await env.DB.prepare("SELECT id FROM checkpoints WHERE job_id = ?").bind(job.id).all();
      expect(rows.results).toHaveLength(1);
      moveClock(10_001);
      await ringAlarm(job.id);
      expect((await streamOf(job.id)).filter((type) => type === "checkpoint_committed")).toHaveLength(1);
    });
  }

  it("that never comes leaves only objects which nobody reads: the next begin has keys of its own", async () => {
    const { agent, job, lease } = await running();
    const lost = await uploadCheckpoint(agent, lease, "resume", 3);
    await crashAt(job.id, "parts_completed", (parts) => parts.checkpoints.commit(agent.agentId, lease.epoch, lost));
    const next = await uploadCheckpoint(agent, lease, "resume", 3);
    await using((s) => s.commitCheckpoint(agent, lease.lease_id, next));
    expect(next.files[0]?.upload.split("@")[1]).not.toBe(lost.files[0]?.upload.split("@")[1]);
  });
});

describe("the last word of a lease, committed and not answered", () => {
  it("gets the same answer again when the job is complete", async () => {
    const { agent, job, lease } = await running();
    await using(async (s) =>
      s.commitCheckpoint(agent, lease.lease_id, await uploadCheckpoint(agent, lease, "final", 10)),
    );
    const finish = { outcome: "completed" as const, step: 10 };
    await crashAt(job.id, "finish_committed", (parts) => parts.finish(agent.agentId, lease.epoch, finish));
    expect(await using((s) => s.finishTask(agent, lease.lease_id, finish))).toEqual({ status: "completed" });
    expect((await streamOf(job.id)).filter((type) => type === "completed")).toHaveLength(1);
  });

  it("gets the same answer again when the task was given back, and the lease stays given back", async () => {
    const { agent, job, lease } = await running();
    const release = { reason: "preempted" as const, message: "bye" };
    await crashAt(job.id, "finish_committed", (parts) => parts.release(agent.agentId, lease.epoch, release));
    expect(await using((s) => s.releaseTask(agent, lease.lease_id, release))).toEqual({ status: "queued" });
    expect(await code(using((s) => s.reportTask(agent, lease.lease_id, beat)))).toBe("stale_lease");
    expect((await streamOf(job.id)).filter((type) => type === "attempt_lost")).toHaveLength(1);
  });
});
