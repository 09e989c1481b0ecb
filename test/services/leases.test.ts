/** What happens to a lease when answers are lost, things happen at once, or somebody takes it away. */
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  claim,
  code,
  CPU_SLOT,
  expire,
  jobRequest,
  mustClaim,
  newAccount,
  newAgent,
  newDataset,
  newJob,
  ORIGIN,
  registeredAgent,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const beat = { lane: "heartbeat" as const, step: null };

async function statusOf(principal: Parameters<typeof newJob>[0], id: string): Promise<string> {
  return (await using((s) => s.getJob(principal, id))).status;
}

describe("a lease that was given back or taken away", () => {
  it("is not revived by a heartbeat that comes after its release", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const release = { reason: "preempted" as const, message: "bye" };
    await using((s) => s.releaseTask(agent, lease.lease_id, release));
    expect(await code(using((s) => s.reportTask(agent, lease.lease_id, beat)))).toBe("stale_lease");
    expect(await statusOf(principal, job.id)).toBe("queued");
    expect(await using((s) => s.releaseTask(agent, lease.lease_id, release))).toEqual({ status: "queued" });
  });

  it("is not revived by an agent that was revoked", async () => {
    const principal = await newAccount();
    const { agent } = await registeredAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    await using((s) => s.revokeAgent(principal, agent.agentId));
    expect(await code(using((s) => s.reportTask(agent, lease.lease_id, beat)))).toBe("stale_lease");
    expect(await statusOf(principal, job.id)).toBe("queued");
    expect(await code(using((s) => s.revokeAgent(principal, agent.agentId)))).toBe("ok");
  });
});

describe("answers that are lost", () => {
  it("a claim id that is repeated gets its lease, not another job", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const first = await newJob(principal);
    const claimId = crypto.randomUUID();
    const lease = await claim(agent, claimId);
    await newJob(principal);
    const again = await claim(agent, claimId);
    expect([lease?.job_id, again?.lease_id]).toEqual([first.id, lease?.lease_id]);
  });

  it("what an agent holds is looked up by index, since each of its polls asks", async () => {
    const plan = await env.DB.prepare("EXPLAIN QUERY PLAN SELECT id FROM tasks WHERE agent_id = ? AND state = 'leased'")
      .bind("a")
      .all<{ detail: string }>();
    expect(plan.results.map(({ detail }) => detail)).toEqual([expect.stringContaining("tasks_leased_by_agent")]);
  });

  it("a commit that is sent three times at once writes one event", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const commit = await uploadCheckpoint(agent, lease, "resume", 3);
    const send = () => using((s) => s.commitCheckpoint(agent, lease.lease_id, commit));
    await Promise.all([send(), send(), send()]);
    const events = await using(async (s) => s.jobEvents(await s.getJob(principal, job.id), { limit: 50 }));
    expect(events.items.filter((event) => event.type === "checkpoint_committed")).toHaveLength(1);
  });

  it("after an outage the commit and the last word come first, and revive the lease", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const commit = await uploadCheckpoint(agent, lease, "final", 9);
    await expire(job.id);
    expect(await statusOf(principal, job.id)).toBe("queued");
    await using((s) => s.commitCheckpoint(agent, lease.lease_id, commit));
    const finish = { outcome: "completed" as const, step: 9 };
    expect(await using((s) => s.finishTask(agent, lease.lease_id, finish))).toEqual({ status: "completed" });
  });

  it("two equal posts with one idempotency key make one job", async () => {
    const principal = await newAccount();
    const request = jobRequest(await newDataset(principal));
    const send = () => using((s) => s.submitJob(principal, request, { key: "same", requestSha256: "x", route: "r" }));
    const [a, b] = await Promise.all([send(), send()]);
    expect(a.id).toBe(b.id);
  });
});

describe("what a checkpoint must be", () => {
  it("a final one has a model", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const commit = await uploadCheckpoint(agent, lease, "resume", 9);
    const asFinal = { ...commit, kind: "final" as const };
    await expect(using((s) => s.commitCheckpoint(agent, lease.lease_id, asFinal))).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("has at most 10,000 parts", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    await newJob(principal);
    const lease = await mustClaim(agent);
    const huge = { role: "resume" as const, size: 6_000 * 64 * 1024 * 1024 };
    const files = [
      { ...huge, path: "a" },
      { ...huge, path: "b" },
    ];
    const begin = { kind: "resume" as const, step: 1, files };
    expect(await code(using((s) => s.beginCheckpoint(agent, lease.lease_id, begin, ORIGIN)))).toBe("invalid_request");
  });

  it("holds the bytes that were hashed, or is refused and can be begun again", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const commit = await uploadCheckpoint(agent, lease, "resume", 3);
    const [file] = commit.files;
    const wrong = { ...commit, files: [{ ...file, sha256: "0".repeat(64) }] } as typeof commit;
    expect(await code(using((s) => s.commitCheckpoint(agent, lease.lease_id, wrong)))).toBe("conflict");
    const again = await uploadCheckpoint(agent, lease, "resume", 3);
    expect(await code(using((s) => s.commitCheckpoint(agent, lease.lease_id, again)))).toBe("ok");
  });
});

describe("other accounts and odd ids", () => {
  it("an agent gets only its account's work", async () => {
    const [mine, other] = [await newAccount(), await newAccount()];
    const agent = await newAgent(mine);
    const foreign = await newJob(other);
    expect(await claim(agent)).toBeNull();
    const hinted = { claim_id: crypto.randomUUID(), free_slots: [CPU_SLOT], task_id: foreign.id, wait_ms: 0 };
    expect(await using((s) => s.leaseTask(agent, hinted, ORIGIN))).toBeNull();
  });

  it("an id of a shard that does not exist is not found", async () => {
    const principal = await newAccount();
    const odd = "01k0000000zz00000000000000";
    expect(await code(using((s) => s.getJob(principal, odd)))).toBe("not_found");
    expect(await code(newJob(principal, { baseModel: `job_${odd}` }))).toBe("not_found");
  });

  it("leaves a later attempt what earlier ones have not used of the log's quota", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const first = await mustClaim(agent);
    const lines = ["four", "fünf"].map((line) => ({ ts_ms: 1, stream: "stdout" as const, line }));
    await using((s) => s.reportTask(agent, first.lease_id, { lane: "logs", seq: 1, lines }));
    await using((s) => s.reportTask(agent, first.lease_id, { lane: "logs", seq: 1, lines }));
    await expire(job.id);
    const second = await mustClaim(agent);
    expect(second.attempt).toBe(2);
    expect(first.limits.log_bytes - second.limits.log_bytes).toBe(9);
  });
});
