import { env } from "cloudflare:workers";
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import {
  chunksOf,
  claim,
  code,
  expire,
  jobRequest,
  mustClaim,
  newAccount,
  newAgent,
  newDataset,
  newJob,
  registeredAgent,
  reportStarted,
  uploadCheckpoint,
  using,
} from "./fixtures";

const words = {
  queued: "queued",
  provisioning: "provisioning",
  running: "running",
  testing: "testing",
  paused: "paused",
  completed: "completed",
  failed: "failed",
  timed_out: "timed_out",
  cancelled: "cancelled",
};

async function eventTypes(principal: Parameters<typeof newJob>[0], id: string): Promise<string[]> {
  return using(async (s) => {
    const job = await s.getJob(principal, id);
    return (await s.jobEvents(job, { limit: 50 })).items.map((event) => event.type);
  });
}

describe("the main job", () => {
  it("goes from created to completed, and its stream says so", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    expect(job.status).toBe("queued");
    const lease = await mustClaim(agent);
    expect(lease.job_id).toBe(job.id);
    expect(lease.lease_id).toBe(`${job.id}.1`);
    await reportStarted(agent, lease);
    expect((await using((s) => s.getJob(principal, job.id))).status).toBe("running");

    const commit = await uploadCheckpoint(agent, lease, "final", 10);
    expect(await code(using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 10 })))).toBe(
      "no_final_checkpoint",
    );
    const committed = await using((s) => s.commitCheckpoint(agent, lease.lease_id, commit));
    expect(committed.ordinal).toBe(1);
    expect(await using((s) => s.commitCheckpoint(agent, lease.lease_id, commit))).toEqual(committed);
    const finish = () => using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 10 }));
    expect(await finish()).toEqual({ status: "completed" });
    expect(await finish()).toEqual({ status: "completed" });

    expect(await eventTypes(principal, job.id)).toEqual([
      "created",
      "submitted",
      "provisioning",
      "gpu_substituted",
      "running",
      "checkpoint_committed",
      "completed",
    ]);
    const done = await using((s) => s.getJob(principal, job.id));
    const response = await using((s) => s.jobStream(done, { lastEventId: null, statusWords: words, readInstead: [] }));
    const text = await response.text();
    expect(text.trimEnd().endsWith('event: end\ndata: {"status":"completed"}')).toBe(true);
    const model = await using((s) => s.modelDownload(done, "http://anneal.test"));
    const token = new URL(model.archiveUrl).pathname.split("/")[2] ?? "";
    const whole = { head: false, range: null, ifRange: null, ifNoneMatch: null };
    const bytes = await (await using((s) => s.download(token, whole))).text();
    expect(bytes).toBe("weights of step 10");
    const part = await using((s) => s.download(token, { ...whole, range: "bytes=0-6" }));
    expect([part.status, await part.text()]).toEqual([206, "weights"]);
  });

  it("gives one queued job to one of many agents", async () => {
    const principal = await newAccount();
    const agents = await Promise.all(Array.from({ length: 6 }, () => newAgent(principal)));
    const job = await newJob(principal);
    const leases = await Promise.all(agents.map((agent) => claim(agent)));
    expect(leases.filter((lease) => lease !== null).map((lease) => lease.job_id)).toEqual([job.id]);
  });

  it("gives the same lease to a repeated claim", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const claimId = crypto.randomUUID();
    const command = {
      type: "claim" as const,
      agentId: agent.agentId,
      provider: "local",
      gpu: job.spec.gpu,
      substitutedBy: null,
    };
    const object = env.JOB.getByName(job.id);
    const first = await object.claim(job.id, agent.agentId, claimId, command);
    const again = await object.claim(job.id, agent.agentId, claimId, command);
    expect(first.ok && first.value.job.task.epoch).toBe(1);
    expect(again.ok && again.value.job.task.epoch).toBe(1);
    const other = await object.claim(job.id, agent.agentId, crypto.randomUUID(), command);
    expect(other.ok).toBe(false);
  });
});

describe("a lease that expires", () => {
  it("queues the job again from its last committed checkpoint, and fences the old agent", async () => {
    const principal = await newAccount();
    const [first, second] = [await newAgent(principal), await newAgent(principal)];
    const job = await newJob(principal);
    const lost = await mustClaim(first);
    await reportStarted(first, lost);
    await using(async (s) =>
      s.commitCheckpoint(first, lost.lease_id, await uploadCheckpoint(first, lost, "resume", 4)),
    );
    await expire(job.id);
    expect((await using((s) => s.getJob(principal, job.id))).status).toBe("queued");
    const lease = await mustClaim(second);
    expect(lease.lease_id).toBe(`${job.id}.2`);
    expect(lease.inputs.resume?.step).toBe(4);
    expect(lease.inputs.resume?.files.map((file) => file.path)).toEqual(["trainer_state.json"]);

    const before = await eventTypes(principal, job.id);
    const heartbeat = { lane: "heartbeat" as const, step: 5 };
    const data = { lane: "data" as const, seq: 2, items: [{ type: "notice" as const, ts_ms: 1, message: "late" }] };
    expect(await code(using((s) => s.reportTask(first, lost.lease_id, heartbeat)))).toBe("stale_lease");
    expect(await code(using((s) => s.reportTask(first, lost.lease_id, data)))).toBe("stale_lease");
    expect(await code(uploadCheckpoint(first, lost, "final", 9))).toBe("stale_lease");
    expect(await code(using((s) => s.finishTask(first, lost.lease_id, { outcome: "completed", step: 9 })))).toBe(
      "stale_lease",
    );
    expect(await eventTypes(principal, job.id)).toEqual(before);
    expect(before.slice(-4)).toEqual(["attempt_lost", "requeued", "provisioning", "gpu_substituted"]);
  });

  it("is revived by its holder as long as nobody has claimed the job", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    await expire(job.id);
    const answer = await using((s) => s.reportTask(agent, lease.lease_id, { lane: "heartbeat", step: 3 }));
    expect(answer.directive).toBe("continue");
    expect((await using((s) => s.getJob(principal, job.id))).status).toBe("running");
  });

  it("is forgiven when the alarm was late by our own fault", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    await mustClaim(agent);
    const object = env.JOB.getByName(job.id);
    await runInDurableObject(object, (_, state) => {
      state.storage.sql.exec("UPDATE lease SET expires_at_ms = ?", Date.now() - 60_000);
      state.storage.sql.exec("UPDATE timers SET at_ms = ? WHERE name = 'lease'", Date.now() - 60_000);
    });
    await runDurableObjectAlarm(object);
    expect((await using((s) => s.getJob(principal, job.id))).status).toBe("provisioning");
  });

  it("fails the job after three in a row", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await mustClaim(agent);
      await expire(job.id);
    }
    const failed = await using((s) => s.getJob(principal, job.id));
    expect([failed.status, failed.reason]).toEqual(["failed", "agent_lost"]);
  });
});

describe("cancel", () => {
  it("sets the status at once, lets the agent tidy up, and ends the stream with the release", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const cancelled = await using(async (s) => s.cancelJob(await s.getJob(principal, job.id)));
    expect(cancelled.status).toBe("cancelled");
    expect(await code(using(async (s) => s.cancelJob(await s.getJob(principal, job.id))))).toBe("not_cancellable");
    const beat = await using((s) => s.reportTask(agent, lease.lease_id, { lane: "heartbeat", step: 1 }));
    expect(beat.directive).toBe("cancel");
    const late = { lane: "logs" as const, seq: 1, lines: [{ ts_ms: 1, stream: "stdout" as const, line: "bye" }] };
    await using((s) => s.reportTask(agent, lease.lease_id, late));
    expect(await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "cancelled" }))).toEqual({
      status: "cancelled",
    });
    const text = await using(async (s) => {
      const stream = await s.jobStream(await s.getJob(principal, job.id), {
        lastEventId: null,
        statusWords: words,
        readInstead: [],
      });
      return stream.text();
    });
    expect([...text.matchAll(/^event: (\w+)$/gm)].map((match) => match[1]).slice(-3)).toEqual(["event", "log", "end"]);
    expect(await code(using((s) => s.reportTask(agent, lease.lease_id, { ...late, seq: 2 })))).toBe("stale_lease");
  });
});

describe("reports", () => {
  it("are applied once, answered the same when repeated, and refused with a gap", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const metrics = (seq: number, step: number) => ({
      lane: "data" as const,
      seq,
      items: [{ type: "metrics" as const, ts_ms: 1, step, kind: "train" as const, values: { loss: 1 / step } }],
    });
    await using((s) => s.reportTask(agent, lease.lease_id, metrics(2, 1)));
    await using((s) => s.reportTask(agent, lease.lease_id, metrics(2, 1)));
    const gap = using((s) => s.reportTask(agent, lease.lease_id, metrics(4, 3)));
    await expect(gap).rejects.toMatchObject({ code: "seq_gap", detail: { facts: { expected: 3 } } });
    await using((s) => s.reportTask(agent, lease.lease_id, metrics(3, 2)));
    const answer = await using(async (s) => s.jobMetrics(await s.getJob(principal, job.id), { maxPoints: 500 }));
    expect(answer).toEqual({
      points: [
        { step: 1, attempt: 1, values: { loss: 1 } },
        { step: 2, attempt: 1, values: { loss: 0.5 } },
      ],
      availableKeys: ["loss"],
      latestStep: 2,
    });
  });
});

describe("what is refused before any host is used", () => {
  it("a dataset with a bad line keeps nothing", async () => {
    const principal = await newAccount();
    const upload = { name: "bad", chunks: chunksOf('{"prompt":"a"}\n{"prompt":'), maxBytes: 1e6 };
    await expect(using((s) => s.uploadDataset(principal, upload))).rejects.toMatchObject({
      code: "invalid_request",
      detail: { field: "file", line: 2 },
    });
    expect((await env.BUCKET.list({ prefix: `datasets/${principal.accountId}/` })).objects).toEqual([]);
  });

  it("ids of another account, unknown GPUs and providers without a key", async () => {
    const [mine, other] = [await newAccount(), await newAccount()];
    const foreign = await newDataset(other);
    expect(await code(newJob(mine, { datasetId: foreign }))).toBe("not_found");
    await expect(newJob(mine, { gpu: { type: "B-1", count: 1 } })).rejects.toMatchObject({
      detail: { field: "gpu.type" },
    });
    await expect(newJob(mine, { provider: "runpod" })).rejects.toThrow(/ANNEAL_RUNPOD_API_KEY/);
    await expect(newJob(mine, { method: "grpo" })).rejects.toMatchObject({ detail: { field: "reward_function_id" } });
  });

  it("an idempotency key creates once, and refuses another body", async () => {
    const principal = await newAccount();
    const request = jobRequest(await newDataset(principal));
    const send = (requestSha256: string) =>
      using((s) => s.submitJob(principal, request, { key: "k", requestSha256, route: "r" }));
    const [first, again] = [await send("x"), await send("x")];
    expect(again.id).toBe(first.id);
    expect(await code(send("y"))).toBe("idempotency_mismatch");
  });
});

describe("an agent's tokens", () => {
  it("are renewed by the agent token itself, until the agent is revoked, which also takes its lease", async () => {
    const principal = await newAccount();
    const { agent, token, request } = await registeredAgent(principal);
    const renewed = await using((s) => s.registerAgent(token, request));
    expect(renewed.agent_id).toBe(agent.agentId);
    const job = await newJob(principal);
    const lease = await mustClaim(agent);
    await using((s) => s.revokeAgent(principal, agent.agentId));
    expect(await code(using((s) => s.registerAgent(renewed.agent_token, request)))).toBe("unauthenticated");
    expect(await code(claim(agent))).toBe("unauthenticated");
    expect((await using((s) => s.getJob(principal, job.id))).status).toBe("queued");
    expect(lease.job_id).toBe(job.id);
  });

  it("say at every registration what the host is like", async () => {
    const principal = await newAccount();
    const { bootstrap, token, request } = await registeredAgent(principal);
    const host = async () => (await using((s) => s.listAgents(principal, { limit: 1 }))).items[0]?.info;
    const better = { ...request, isolation: { level: 2, detail: "nothing got through" }, driver: "580" };
    await using((s) => s.registerAgent(bootstrap, better));
    expect(await host()).toMatchObject({ isolation: better.isolation, driver: "580" });
    await using((s) => s.registerAgent(token, { ...request, isolation: { level: 1, detail: "Landlock is gone" } }));
    expect(await host()).toMatchObject({ isolation: { level: 1, detail: "Landlock is gone" }, driver: null });
  });

  it("of the platform's hosts are for those that confine user code well enough", async () => {
    const principal = await newAccount();
    const { request } = await registeredAgent(principal);
    const register = (settings: Partial<typeof env>, accountId: string | null, level: number) =>
      using(async (s) => {
        const { token } = await s.createBootstrapToken(accountId, { ttlSeconds: 60, reusable: false });
        const host = { ...request, nonce: crypto.randomUUID(), isolation: { level, detail: "run it as root" } };
        return { again: { token, host }, answer: await s.registerAgent(token, host) };
      }, settings);
    const production = { ANNEAL_DEPLOYMENT: "production" };
    await expect(register(production, null, 0)).rejects.toThrow(
      "must confine user code at isolation level 1 (ANNEAL_MIN_ISOLATION); this one has level 0: run it as root",
    );
    await expect(register({ ANNEAL_MIN_ISOLATION: "2" }, null, 1)).rejects.toThrow("isolation level 2");
    await register(production, principal.accountId, 0);
    await register({ ...production, ANNEAL_MIN_ISOLATION: "0" }, null, 0);
    await register({ ANNEAL_DEPLOYMENT: "dev" }, null, 0);
    const { answer, again } = await register(production, null, 1);
    const worse = { ...again.host, isolation: { level: 0, detail: "run it as root" } };
    for (const token of [again.token, answer.agent_token]) {
      expect(await code(using((s) => s.registerAgent(token, worse), production))).toBe("forbidden");
    }
  });

  it("a bootstrap token is good for one nonce", async () => {
    const principal = await newAccount();
    const { bootstrap, agent, request } = await registeredAgent(principal);
    expect((await using((s) => s.registerAgent(bootstrap, request))).agent_id).toBe(agent.agentId);
    const other = { ...request, nonce: crypto.randomUUID() };
    expect(await code(using((s) => s.registerAgent(bootstrap, other)))).toBe("unauthenticated");
  });
});
