/** Pause, resume and retry, as seen by people and by the agent that holds the job. */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Principal } from "../../worker/domain/accounts";
import type { AgentPrincipal } from "../../worker/domain/agents";
import type { Lease } from "../../protocol";
import {
  claim,
  code,
  expire,
  mustClaim,
  newAccount,
  newAgent,
  newJob,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const release = { reason: "preempted" as const, message: "paused as asked" };
const beat = { lane: "heartbeat" as const, step: 3 };

const read = (principal: Principal, id: string) => using((s) => s.getJob(principal, id));
const pause = (principal: Principal, id: string) => using(async (s) => s.pauseJob(await s.getJob(principal, id)));
const resume = (principal: Principal, id: string) => using(async (s) => s.resumeJob(await s.getJob(principal, id)));
const cancel = (principal: Principal, id: string) => using(async (s) => s.cancelJob(await s.getJob(principal, id)));
const heartbeat = (agent: AgentPrincipal, lease: Lease) => using((s) => s.reportTask(agent, lease.lease_id, beat));

async function lastEvents(principal: Principal, id: string, count: number): Promise<string[]> {
  const events = await using(async (s) => s.jobEvents(await s.getJob(principal, id), { limit: 100 }));
  return events.items.map((event) => event.type).slice(-count);
}

async function running(changes: Record<string, unknown> = {}) {
  const principal = await newAccount();
  const agent = await newAgent(principal);
  const job = await newJob(principal, changes);
  const lease = await mustClaim(agent);
  await reportStarted(agent, lease);
  return { principal, agent, job, lease };
}

async function commit(agent: AgentPrincipal, lease: Lease, step: number): Promise<void> {
  const uploaded = await uploadCheckpoint(agent, lease, "resume", step);
  await using((s) => s.commitCheckpoint(agent, lease.lease_id, uploaded));
}

describe("pause", () => {
  it("of a queued job is at once; nobody gets it until it is resumed; cancel ends it", async () => {
    const principal = await newAccount();
    const job = await newJob(principal);
    expect((await pause(principal, job.id)).status).toBe("paused");
    expect((await pause(principal, job.id)).status).toBe("paused");
    const agent = await newAgent(principal);
    expect(await claim(agent)).toBeNull();
    expect((await resume(principal, job.id)).status).toBe("queued");
    expect(await lastEvents(principal, job.id, 2)).toEqual(["paused", "resumed"]);
    expect((await mustClaim(agent)).job_id).toBe(job.id);

    const other = await newJob(principal);
    await pause(principal, other.id);
    expect((await cancel(principal, other.id)).status).toBe("cancelled");
    expect(await code(resume(principal, other.id))).toBe("illegal_transition");
    expect(await code(pause(principal, other.id))).toBe("illegal_transition");
  });

  it("of a running job is a wish until its agent has given it back", async () => {
    const { principal, agent, job, lease } = await running();
    const wished = await pause(principal, job.id);
    expect([wished.status, wished.pauseRequestedAtMs === null]).toEqual(["running", false]);
    expect((await heartbeat(agent, lease)).directive).toBe("pause");
    await commit(agent, lease, 4);
    expect(await using((s) => s.releaseTask(agent, lease.lease_id, release))).toEqual({ status: "paused" });
    expect(await code(heartbeat(agent, lease))).toBe("stale_lease");
    const paused = await read(principal, job.id);
    expect([paused.pauseRequestedAtMs, paused.lostInARow]).toEqual([null, 0]);
    expect(await lastEvents(principal, job.id, 3)).toEqual(["running", "checkpoint_committed", "paused"]);

    await resume(principal, job.id);
    const again = await mustClaim(agent);
    expect([again.attempt, again.inputs.resume?.step]).toEqual([2, 4]);
    expect((await heartbeat(agent, again)).directive).toBe("continue");
  });

  it("that is withdrawn before it took effect lets the task be queued again", async () => {
    const { principal, agent, job, lease } = await running();
    await pause(principal, job.id);
    expect((await resume(principal, job.id)).pauseRequestedAtMs).toBeNull();
    expect((await heartbeat(agent, lease)).directive).toBe("continue");
    expect(await code(resume(principal, job.id))).toBe("illegal_transition");
    expect(await using((s) => s.releaseTask(agent, lease.lease_id, release))).toEqual({ status: "queued" });
  });

  it("takes effect when the agent dies first, and its late heartbeat revives nothing", async () => {
    const { principal, agent, job, lease } = await running();
    await pause(principal, job.id);
    await expire(job.id);
    expect(await read(principal, job.id)).toMatchObject({ status: "paused", lostInARow: 1 });
    expect(await lastEvents(principal, job.id, 2)).toEqual(["attempt_lost", "paused"]);
    expect(await code(heartbeat(agent, lease))).toBe("stale_lease");
    expect((await read(principal, job.id)).status).toBe("paused");
  });

  it("reaches the agent although the object crashed before it had noted the wish", async () => {
    const { principal, agent, job, lease } = await running();
    const object = env.JOB.getByName(job.id);
    await pause(principal, job.id);
    await runInDurableObject(object, (_, { storage }) => {
      storage.sql.exec("DELETE FROM meta WHERE key = 'pause_requested'");
    });
    expect((await heartbeat(agent, lease)).directive).toBe("continue");
    await commit(agent, lease, 2);
    expect((await heartbeat(agent, lease)).directive).toBe("pause");
    await runDurableObjectAlarm(object);
    expect((await read(principal, job.id)).status).toBe("running");
  });
});

it("a spec over 4 KiB is whole for the agent, the retry and a reader of the one job, and short in lists", async () => {
  const prompt = "be brief. ".repeat(1000);
  const { principal, agent, job, lease } = await running({ hyperparameters: { system_prompt: prompt } });
  const promptOf = (spec: Lease["spec"]) =>
    "system_prompt" in spec.hyperparameters ? spec.hyperparameters.system_prompt : null;
  expect(promptOf(lease.spec)).toBe(prompt);
  const [listed] = (await using((s) => s.listJobs(principal, {}, { limit: 1 }))).items;
  expect(listed && JSON.stringify(listed.spec).length).toBeLessThan(4096);
  expect(promptOf((await using((s) => s.wholeJob(job))).spec)).toBe(prompt);
  await cancel(principal, job.id);
  await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "cancelled" }));
  await using(async (s) => s.retryJob(await s.getJob(principal, job.id), { from: "start" }, null));
  expect(promptOf((await mustClaim(agent)).spec)).toBe(prompt);
  await env.BUCKET.put(`specs/${job.id}.json`, "{}");
  await expect(using((s) => s.wholeJob(job))).rejects.toThrow(/not the one that was submitted/);
});

describe("retry", () => {
  const fail = { outcome: "failed" as const, reason: "user_code" as const, message: "no", log_tail: [] };
  const retry = (
    principal: Principal,
    id: string,
    request: { from: "checkpoint" | "start"; maxDurationSeconds?: number },
  ) => using(async (s) => s.retryJob(await s.getJob(principal, id), request, null));

  it("is a new job that goes on from the old one's last checkpoint, through a chain of retries", async () => {
    const { principal, agent, job, lease } = await running();
    expect(await code(retry(principal, job.id, { from: "checkpoint" }))).toBe("illegal_transition");
    await commit(agent, lease, 5);
    await using((s) => s.finishTask(agent, lease.lease_id, fail));
    const second = await retry(principal, job.id, { from: "checkpoint", maxDurationSeconds: 60 });
    expect([second.retryOf, second.spec.max_duration_seconds]).toEqual([job.id, 60]);
    const secondLease = await mustClaim(agent);
    expect([secondLease.job_id, secondLease.attempt, secondLease.inputs.resume?.step]).toEqual([second.id, 1, 5]);
    await reportStarted(agent, secondLease, 5);
    await using((s) => s.finishTask(agent, secondLease.lease_id, fail));
    const third = await retry(principal, second.id, { from: "checkpoint" });
    expect([third.retryOf, (await mustClaim(agent)).inputs.resume?.step]).toEqual([second.id, 5]);
    expect((await read(principal, job.id)).status).toBe("failed");
  });

  it("begins again when told so, and is made once for a key", async () => {
    const { principal, agent, job, lease } = await running();
    await commit(agent, lease, 5);
    await cancel(principal, job.id);
    const idempotency = { key: "k", requestSha256: "x", route: "retry" };
    const send = () =>
      using(async (s) => s.retryJob(await s.getJob(principal, job.id), { from: "start" }, idempotency));
    const [made, again] = [await send(), await send()];
    expect(again.id).toBe(made.id);
    await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "cancelled" }));
    expect((await mustClaim(agent)).inputs.resume).toBeNull();
  });

  it("is refused for a job that has completed", async () => {
    const { principal, agent, job, lease } = await running();
    const final = await uploadCheckpoint(agent, lease, "final", 9);
    await using((s) => s.commitCheckpoint(agent, lease.lease_id, final));
    await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 9 }));
    expect(await code(retry(principal, job.id, { from: "start" }))).toBe("illegal_transition");
  });
});
