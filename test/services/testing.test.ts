/** Tests of a job's checkpoints, on their way through the worker: lease, reports, commits, progress, what people read. */
import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { CommitCheckpointRequest, DataItem, Lease } from "../../protocol";
import type { Principal } from "../../worker/domain/accounts";
import type { AgentPrincipal } from "../../worker/domain/agents";
import { SHARED_FUNCTIONS } from "../../worker/domain/shared-functions";
import type { JobRequest } from "../../worker/services/services";
import {
  claim,
  code,
  expire,
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

// Whole runs, with many commits each.
vi.setConfig({ testTimeout: 20_000 });

const TOTAL_STEPS = 10;
const progress = (step: number): DataItem => ({
  type: "progress",
  ts_ms: 1,
  step,
  total_steps: TOTAL_STEPS,
  epoch: step / 4,
});
const testing = (done: number, total: number): DataItem => ({ type: "testing", ts_ms: 1, done, total });
const noFunctions = { splitPercent: 20, functions: [] };

/** One attempt at a job. */
class Attempt {
  #seq = 1;

  constructor(
    readonly principal: Principal,
    readonly agent: AgentPrincipal,
    readonly jobId: string,
    readonly lease: Lease,
  ) {}

  report(...items: DataItem[]) {
    const request = { lane: "data" as const, seq: ++this.#seq, items };
    return using((s) => s.reportTask(this.agent, this.lease.lease_id, request));
  }

  async commit(kind: "epoch" | "final" | "resume" | "test", step: number, changes?: Partial<CommitCheckpointRequest>) {
    const request = { ...(await uploadCheckpoint(this.agent, this.lease, kind, step)), ...changes };
    return using((s) => s.commitCheckpoint(this.agent, this.lease.lease_id, request));
  }

  finish() {
    return using((s) => s.finishTask(this.agent, this.lease.lease_id, { outcome: "completed", step: TOTAL_STEPS }));
  }

  job() {
    return using((s) => s.getJob(this.principal, this.jobId));
  }

  async progress(): Promise<number | undefined> {
    const job = await this.job();
    return (await using((s) => s.jobProgress([job])))[0];
  }

  async next(): Promise<Attempt> {
    const agent = await newAgent(this.principal);
    const attempt = new Attempt(this.principal, agent, this.jobId, await mustClaim(agent));
    return attempt;
  }
}

async function running(test: JobRequest["test"]): Promise<Attempt> {
  const principal = await newAccount();
  const agent = await newAgent(principal);
  const job = await newJob(principal, test ? { test } : {});
  const attempt = new Attempt(principal, agent, job.id, await mustClaim(agent));
  await reportStarted(agent, attempt.lease);
  return attempt;
}

/** Trained, with the epochs of steps 4 and 8, and at its tests. */
async function atTests(): Promise<Attempt> {
  const attempt = await running(noFunctions);
  for (const step of [4, 8]) await attempt.commit("epoch", step);
  await attempt.commit("resume", 8);
  await attempt.report(progress(TOTAL_STEPS));
  await attempt.commit("final", TOTAL_STEPS);
  await attempt.report(testing(0, 3));
  return attempt;
}

async function bytesAt(url: string, range: string | null = null): Promise<{ status: number; text: string }> {
  const token = new URL(url).pathname.split("/")[2] ?? "";
  const request = { head: false, range, ifRange: null, ifNoneMatch: null };
  const response = await using((s) => s.download(token, request));
  return { status: response.status, text: await response.text() };
}

async function eventsOf(attempt: Attempt): Promise<string[]> {
  const job = await attempt.job();
  const { items } = await using((s) => s.jobEvents(job, { limit: 100 }));
  return items.map(({ type }) => type).filter((type) => !["checkpoint_committed", "gpu_substituted"].includes(type));
}

describe("a job with tests", () => {
  it("goes from running to testing to completed, and each checkpoint has what its test has shown", async () => {
    const run = await running(noFunctions);
    expect(run.lease.inputs.test).toEqual({ functions: [], untested: [], is_trained: false });
    expect(await run.progress()).toBe(0);
    await run.report(progress(5));
    expect(await run.progress()).toBe(45);
    for (const step of [4, 8]) await run.commit("epoch", step);
    await run.report(progress(TOTAL_STEPS));
    expect(await run.progress()).toBe(90);
    await run.commit("final", TOTAL_STEPS);
    await run.report(testing(0, 3));
    expect((await run.job()).status).toBe("testing");
    for (const [index, step] of [4, 8, TOTAL_STEPS].entries()) {
      expect((await run.commit("test", step)).ordinal).toBeNull();
      await run.report(testing(index + 1, 3));
    }
    expect(await run.progress()).toBe(99);
    expect(await run.finish()).toEqual({ status: "completed" });
    expect(await run.progress()).toBe(100);
    expect((await run.job()).progress).toBe(100);
    expect(await eventsOf(run)).toEqual(["created", "submitted", "provisioning", "running", "testing", "completed"]);

    const job = await run.job();
    const tested = await using((s) => s.testedCheckpoints(job, ORIGIN));
    expect(tested.map(({ checkpoint, test }) => [checkpoint.ordinal, checkpoint.step, test?.results])).toEqual([
      [1, 4, { exact: 0.04 }],
      [2, 8, { exact: 0.08 }],
      [3, 10, { exact: 0.1 }],
    ]);
    const [first] = tested;
    expect(first && (await bytesAt(first.modelUrl)).text).toBe("weights of step 4");
    expect(await bytesAt(first?.test?.resultsUrl ?? "", "bytes=0-6")).toEqual({ status: 206, text: "weights" });
    const { items } = await using((s) => s.listCheckpoints(job, { limit: 10 }));
    expect(items.map(({ kind, ordinal }) => [kind, ordinal])).toEqual([
      ["test", null],
      ["test", null],
      ["test", null],
      ["final", 3],
      ["epoch", 2],
      ["epoch", 1],
    ]);
  });

  it("goes on with the first untested checkpoint when its agent is lost in the middle of the tests", async () => {
    const first = await atTests();
    await first.commit("test", 4);
    await first.report(testing(1, 3));
    expect(await first.progress()).toBe(93);
    await expire(first.jobId);
    expect(await first.job()).toMatchObject({ status: "queued", progress: 93 });

    const second = await first.next();
    const { test, resume } = second.lease.inputs;
    expect([test?.is_trained, resume]).toEqual([true, null]);
    expect(test?.untested.map(({ step, files }) => [step, files.map(({ role }) => role)])).toEqual([
      [8, ["model"]],
      [10, ["model"]],
    ]);
    expect((await bytesAt(test?.untested[0]?.files[0]?.url ?? "")).text).toBe("weights of step 8");
    expect(await second.progress()).toBe(90);
    await reportStarted(second.agent, second.lease, TOTAL_STEPS);
    await second.report(testing(0, 2));
    expect(await second.progress()).toBe(93);
    for (const step of [8, TOTAL_STEPS]) await second.commit("test", step);
    await second.report(testing(2, 2));
    // All is done but the last word, which an agent that is lost now cannot say.
    await expire(first.jobId);
    expect(await second.job()).toMatchObject({ status: "completed", progress: 100 });
    expect((await eventsOf(second)).slice(3)).toEqual([
      "running",
      "testing",
      "attempt_lost",
      "requeued",
      "provisioning",
      "running",
      "testing",
      "completed",
    ]);
  });

  it("is queued again also before its trainer has spoken of the tests, and fails after three attempts without one", async () => {
    const run = await running(noFunctions);
    await run.commit("final", TOTAL_STEPS);
    await expire(run.jobId);
    expect((await run.job()).status).toBe("queued");
    for (let attempt = 2; attempt <= 3; attempt++) {
      const next = await run.next();
      await reportStarted(next.agent, next.lease, TOTAL_STEPS);
      await next.report(testing(0, 1));
      await expire(run.jobId);
    }
    expect(await run.job()).toMatchObject({ status: "failed", reason: "agent_lost" });
  });

  it("is testing again when its lease is revived", async () => {
    const run = await atTests();
    await expire(run.jobId);
    await using((s) => s.reportTask(run.agent, run.lease.lease_id, { lane: "heartbeat", step: 10 }));
    expect((await run.job()).status).toBe("testing");
    await expire(run.jobId);
    await run.report(testing(1, 3));
    expect((await run.job()).status).toBe("testing");
    expect((await eventsOf(run)).slice(-3)).toEqual(["requeued", "running", "testing"]);
  });

  it("is completed at once when all that was left to test has proved bad", async () => {
    const run = await running(noFunctions);
    await run.commit("final", TOTAL_STEPS);
    await expire(run.jobId);
    await env.DB.prepare("UPDATE checkpoints SET state = 'bad' WHERE job_id = ?").bind(run.jobId).run();
    expect(await claim(await newAgent(run.principal))).toBeNull();
    expect(await run.job()).toMatchObject({ status: "completed", progress: 100 });
  });

  it("is paused in its tests, and goes on with them when it is resumed", async () => {
    const run = await atTests();
    await run.commit("test", 4);
    const job = await run.job();
    await using((s) => s.pauseJob(job));
    const release = { reason: "preempted" as const, message: "paused as asked" };
    await using((s) => s.releaseTask(run.agent, run.lease.lease_id, release));
    const paused = await run.job();
    expect(paused.status).toBe("paused");
    await using((s) => s.resumeJob(paused));
    const next = await run.next();
    expect(next.lease.inputs.test?.untested.map(({ step }) => step)).toEqual([8, 10]);
  });
});

describe("the commit of a test", () => {
  it("counts once for a step, also from another attempt", async () => {
    const run = await atTests();
    const committed = await run.commit("test", 4);
    expect(await run.commit("test", 4, { results: { exact: 1 } })).toEqual(committed);
    await expire(run.jobId);
    const next = await run.next();
    expect(await next.commit("test", 4)).toEqual(committed);
    const job = await run.job();
    const [first] = await using((s) => s.testedCheckpoints(job, ORIGIN));
    expect(first?.test?.results).toEqual({ exact: 0.04 });
  });

  it("has one table and the means, is of a checkpoint that there is, and of a job that asked for it", async () => {
    const run = await atTests();
    const model = (await uploadCheckpoint(run.agent, run.lease, "epoch", 4)).files;
    const table = (await uploadCheckpoint(run.agent, run.lease, "test", 4)).files;
    expect(await code(run.commit("test", 5))).toBe("invalid_request");
    expect(await code(run.commit("test", 4, { results: undefined }))).toBe("invalid_request");
    expect(await code(run.commit("test", 4, { files: model }))).toBe("invalid_request");
    expect(await code(run.commit("test", 4, { files: [...table, ...table] }))).toBe("invalid_request");
    expect(await code(run.commit("epoch", 9, { results: { exact: 1 } }))).toBe("invalid_request");
    expect(await code(run.commit("resume", 9, { files: table }))).toBe("invalid_request");
    const other = await running(undefined);
    await other.commit("epoch", 4);
    expect(await code(other.commit("test", 4))).toBe("invalid_request");
  });
});

describe("what a lease has for tests", () => {
  it("is the dataset, the account's functions and the shared ones, each by URL and hash; rewards may be shared too", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const [shared] = SHARED_FUNCTIONS;
    if (!shared) throw new Error("there is no shared function");
    const source = "def my_score(input_text, expected_output, predicted_output):\n    return 1.0\n";
    const own = await using((s) =>
      s.createFunction(principal, {
        name: "my_score",
        format: "test",
        source: new TextEncoder().encode(source),
      }),
    );
    const names = [{ name: shared.name }, { name: "my_score" }];
    await newJob(principal, {
      method: "grpo",
      functions: [
        { name: shared.name, weight: 0.25 },
        { id: own.id, weight: 0.75 },
      ],
      test: { datasetId: await newDataset(principal), functions: names },
    });
    const { inputs } = await mustClaim(agent);
    expect(inputs.test?.dataset).toMatchObject({ format: "prompt_completion", name: "d" });
    const leased = [
      [`shared:${shared.name}`, shared.name, "test"],
      [own.id, "my_score", "test"],
    ];
    expect(inputs.test?.functions.map(({ id, name, format }) => [id, name, format])).toEqual(leased);
    expect(inputs.functions.map(({ id, name, format }) => [id, name, format])).toEqual(leased);
    expect(inputs.functions.map(({ weight }) => weight)).toEqual([0.25, 0.75]);
    for (const functions of [inputs.test?.functions, inputs.functions]) {
      const texts = await Promise.all((functions ?? []).map(async ({ url }) => (await bytesAt(url)).text));
      expect(texts).toEqual([shared.content, source]);
      expect(functions?.map(({ sha256 }) => sha256)).toEqual(
        texts.map((text) => createHash("sha256").update(text).digest("hex")),
      );
      expect(functions?.map(({ size }) => size)).toEqual(
        texts.map((text) => new TextEncoder().encode(text).byteLength),
      );
    }
  });

  it("is missed by an attempt when a shared function is no more", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const job = await newJob(principal);
    await env.DB.prepare("UPDATE jobs SET spec = json_set(spec, '$.test', json(?)) WHERE id = ?")
      .bind(JSON.stringify({ split_percent: 10, functions: [{ id: "shared:of_another_release" }] }), job.id)
      .run();
    await expect(mustClaim(agent)).rejects.toThrow("nothing to lease");
    const after = await using((s) => s.getJob(principal, job.id));
    expect(after).toMatchObject({ status: "queued", lostInARow: 1 });
  });
});

describe("what people read of a run", () => {
  it("is the loss of each so-manieth step, with its time", async () => {
    const run = await running(undefined);
    const metrics = Array.from({ length: 9 }, (_, i) => ({
      ...{ type: "metrics" as const, ts_ms: 1000 + i, step: i + 1, kind: "train" as const },
      values: { loss: 9 - i, grad_norm: 1 },
    }));
    await run.report(...metrics);
    const job = await run.job();
    const losses = (changes: Record<string, number>) =>
      using((s) =>
        s.trainingLoss(
          {
            ...job,
            spec: { ...job.spec, hyperparameters: { ...job.spec.hyperparameters, ...changes } } as typeof job.spec,
          },
          100,
        ),
      );
    expect(await losses({})).toHaveLength(9);
    expect(await losses({ logging_steps: 4 })).toEqual([
      { tsMs: 1003, loss: 6 },
      { tsMs: 1007, loss: 2 },
      { tsMs: 1008, loss: 1 },
    ]);
  });

  it("is the progress of many jobs in their order, of live ones as it is now", async () => {
    const run = await running(undefined);
    await run.report(progress(7));
    const queued = await newJob(run.principal);
    const jobs = await Promise.all([run.job(), using((s) => s.getJob(run.principal, queued.id)), run.job()]);
    expect(jobs.map((job) => job.progress)).toEqual([0, 0, 0]);
    expect(await using((s) => s.jobProgress(jobs))).toEqual([70, 0, 70]);
  });
});
