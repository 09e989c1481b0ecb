/** `max_duration_seconds` by the job's own alarm, on a clock that the test moves. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, expect, it, vi } from "vitest";
import type { Lease } from "../../protocol";
import type { AgentPrincipal } from "../../worker/domain/agents";
import { mustClaim, newAccount, newAgent, newJob, reportStarted, using } from "./fixtures";

const beat = { lane: "heartbeat" as const, step: 1 };

afterEach(() => vi.useRealTimers());

function passSeconds(seconds: number): void {
  const nowMs = Date.now() + seconds * 1000;
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["Date"], now: nowMs });
}

async function held(maxDurationSeconds: number) {
  const principal = await newAccount();
  const agent = await newAgent(principal);
  passSeconds(0);
  const { id } = await newJob(principal, { maxDurationSeconds });
  const lease = await mustClaim(agent);
  await reportStarted(agent, lease);
  return { agent, id, lease, job: () => using((s) => s.getJob(principal, id)) };
}

const heartbeat = (agent: AgentPrincipal, lease: Lease) => using((s) => s.reportTask(agent, lease.lease_id, beat));

/** `seconds` of a living agent: heartbeats and alarms as they come. */
async function train(agent: AgentPrincipal, lease: Lease, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 30) {
    passSeconds(Math.min(30, seconds - passed));
    await heartbeat(agent, lease);
    await runDurableObjectAlarm(env.JOB.getByName(lease.job_id));
  }
}

it("ends the job when it is used up, and its agent is told", async () => {
  const { agent, lease, job } = await held(100);
  await train(agent, lease, 99);
  expect((await job()).status).toBe("running");
  await train(agent, lease, 1);
  expect(await job()).toMatchObject({ status: "timed_out", reason: "max_duration" });
  expect((await job()).reasonMessage).toContain("100");
  expect((await heartbeat(agent, lease)).directive).toBe("cancel");
  const finish = { outcome: "cancelled" as const };
  expect(await using((s) => s.finishTask(agent, lease.lease_id, finish))).toEqual({ status: "timed_out" });
});

it("counts all attempts, and no time in which nobody held the job", async () => {
  const { agent, lease, job } = await held(100);
  await train(agent, lease, 60);
  await using((s) => s.releaseTask(agent, lease.lease_id, { reason: "preempted", message: "" }));
  passSeconds(5_000);
  const again = await mustClaim(agent);
  await reportStarted(agent, again);
  await train(agent, again, 39);
  expect((await job()).status).toBe("running");
  await train(agent, again, 1);
  expect((await job()).status).toBe("timed_out");
  expect((await job()).heldMs).toBe(100_000);
});

it("gives back what we were away, and a lease period to hear of the agent", async () => {
  const { agent, lease, job, id } = await held(100);
  await train(agent, lease, 90);
  passSeconds(600);
  await runDurableObjectAlarm(env.JOB.getByName(id));
  expect((await job()).status).toBe("running");
  // The alarm was due after 10 s of the outage; what it was late by is not counted, nor a lease period of 60 s.
  await train(agent, lease, 59);
  expect((await job()).status).toBe("running");
  await train(agent, lease, 1);
  expect((await job()).status).toBe("timed_out");
});

it("gives an outage back once, also to an attempt that is revived after it", async () => {
  const { agent, lease, job, id } = await held(200);
  await train(agent, lease, 90);
  passSeconds(600);
  await runDurableObjectAlarm(env.JOB.getByName(id));
  // Nothing is heard of the agent in the lease period that it was given.
  passSeconds(60);
  await runDurableObjectAlarm(env.JOB.getByName(id));
  expect(await job()).toMatchObject({ status: "queued", heldMs: 120_000 });
  await heartbeat(agent, lease);
  expect((await job()).status).toBe("running");
  await train(agent, lease, 79);
  expect((await job()).status).toBe("running");
  await train(agent, lease, 1);
  expect((await job()).status).toBe("timed_out");
});
