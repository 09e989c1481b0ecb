/**
 * Engines and deployments through the real services, over real D1 and objects: one start however many ask, ends by their
 * rules under a clock of the test, and what heals a crash between any two writes.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { engineObjectParts, type EngineObjectParts } from "../../worker/container";
import type { Principal } from "../../worker/domain/accounts";
import type { EngineManagement, EngineRecord, ServedModel } from "../../worker/domain/engines";
import { deploymentStatus } from "../../worker/domain/engines";
import { DomainError } from "../../worker/domain/errors";
import { ENGINE_FAULT_POINTS, type EngineFaultPoint } from "../../worker/domain/faults";
import type { JobRecord } from "../../worker/domain/job";
import { engineObjectName, ObjectEngineDoors } from "../../worker/objects/doors";
import { newEngine } from "../../worker/services/create-engine";
import { databases } from "../../worker/stores/database";
import { D1EngineStore } from "../../worker/stores/engine-store";
import { FrameAgent, type Handlers } from "../harness/frame-agent";
import { ECHO, RelayAgent } from "../harness/relay-agent";
import { newAccountClient, type WorkerClient } from "../harness/worker-client";
import { code, expire, mustClaim, newAgent, newJob, ORIGIN, reportStarted, uploadFiles, using } from "./fixtures";

const CRASH = "crashed by the test";
const BASE = "anneal/tiny-llama";
const HOUR_MS = 3600_000;
const reached = new Set<EngineFaultPoint>();

afterEach(() => vi.useRealTimers());
afterAll(() => expect([...reached].sort()).toEqual([...ENGINE_FAULT_POINTS].sort()));

/** Only the clock stands still and is moved: whoever waits still waits. */
function setClock(nowMs: number): void {
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["Date"], now: nowMs });
}
const moveClock = (byMs: number) => setClock(Date.now() + byMs);

const door = (id: string) => new ObjectEngineDoors(env.ENGINE).of(id);
const objectOf = (id: string) => env.ENGINE.getByName(engineObjectName(id));
const ring = (id: string) => runDurableObjectAlarm(objectOf(id));
const engineNow = (principal: Principal, id: string) => using((s) => s.getEngine(principal, id));
const servedNow = (principal: Principal, id: string) => using((s) => s.getDeployment(principal, id));
const running = { baseModel: BASE, management: { kind: "none" } } as const;

interface Account {
  client: WorkerClient;
  principal: Principal;
}

async function account(): Promise<Account> {
  const client = await newAccountClient();
  const { principal } = await using((s) => s.authenticate(client.apiKey, "write", { kind: "none" }));
  return { client, principal };
}

async function serveTasks(principal: Principal): Promise<Record<string, JobRecord["status"][]>> {
  const { items } = await using((s) => s.listJobs(principal, { kind: "serve" }, { limit: 100 }));
  const statuses: Record<string, JobRecord["status"][]> = {};
  for (const { spec, status } of items.reverse()) (statuses[spec.serve?.engine_id ?? ""] ??= []).push(status);
  return statuses;
}

const tasksOf = async (principal: Principal, { id }: { id: string }) => (await serveTasks(principal))[id] ?? [];

async function deployBase({ principal }: Account, management: EngineManagement): Promise<ServedModel> {
  const request = { model: { baseModel: BASE }, modelText: BASE, origin: "anneal" } as const;
  return using((s) => s.createDeployment(principal, request, { management }));
}

async function chat(principal: Principal, served: ServedModel, content = "hello"): Promise<string> {
  const request = { endpoint: "chat", stream: false, model: "m", idPrefix: "chatcmpl-", store: null } as const;
  const body = { messages: [{ role: "user", content }] };
  const response = await using((s) => s.infer(principal, served, { ...request, body }));
  const answer = await response.json<{ choices: { message: { content: string } }[] }>();
  return answer.choices[0]?.message.content ?? "";
}

/** With an agent whose deployments are ready. */
async function active(made: Account, management: EngineManagement = { kind: "none" }, handlers: Handlers = ECHO) {
  const { deployment } = await deployBase(made, management);
  const agent = await RelayAgent.serve(made.client, handlers);
  await vi.waitFor(async () => expect((await servedNow(made.principal, deployment.id)).deployment.readyRun).toBe(1));
  const served = await servedNow(made.principal, deployment.id);
  return { agent, served, engine: served.engine };
}

async function refusal(work: Promise<unknown>): Promise<DomainError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
  throw new Error("was not refused");
}

describe("an engine", () => {
  it("starts at once, without deployments too, and ends as it is told", async () => {
    const { principal } = await account();
    const engine = await using((s) => s.createEngine(principal, running));
    expect(engine).toMatchObject({
      status: "starting",
      run: 1,
      name: "tiny-llama-engine",
      taskType: "text-generation",
    });
    expect(await tasksOf(principal, engine)).toEqual(["queued"]);
    expect((await engineNow(principal, engine.id)).taskIds).toHaveLength(1);
    expect(await code(using((s) => s.reactivateEngine(engine)))).toBe("illegal_transition");
    expect(await using((s) => s.deactivateEngine(engine))).toMatchObject({ status: "inactive", problem: null });
    expect(await code(using((s) => s.deactivateEngine(engine)))).toBe("illegal_transition");
    expect(await tasksOf(principal, engine)).toEqual(["cancelled"]);
    expect(await using((s) => s.reactivateEngine(engine))).toMatchObject({ status: "starting", run: 2 });
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "queued"]);
    await using((s) => s.deleteEngine(engine));
    expect(await code(engineNow(principal, engine.id))).toBe("not_found");
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "cancelled"]);
    expect(await code(door(engine.id).wake())).toBe("not_found");
  });

  it("starts once when 1,000 wake-ups race, of which some are requests, and those are answered", async () => {
    const made = await account();
    const { served, engine, agent } = await active(made);
    await using((s) => s.deactivateEngine(engine));
    const asks = Array.from({ length: 1000 }, (_, n) =>
      n % 10 === 0 ? chat(made.principal, served, `n ${String(n)}`) : door(engine.id).wake(),
    );
    const answers = Promise.all(asks);
    await vi.waitFor(async () => expect(await tasksOf(made.principal, engine)).toContain("queued"));
    agent.frames.drop();
    await RelayAgent.serve(made.client, ECHO);
    const texts = (await answers).filter((answer) => typeof answer === "string");
    expect(texts).toEqual(Array.from({ length: 100 }, (_, n) => `n ${String(n * 10)}`));
    expect(await engineNow(made.principal, engine.id)).toMatchObject({ status: "active", run: 2 });
    expect(await tasksOf(made.principal, engine)).toEqual(["cancelled", "running"]);
  }, 30_000);

  it("that is deactivated lets a request under way end, and takes no other on those agents", async () => {
    const made = await account();
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    const handlers: Handlers = { chat: (request) => held.then(() => ECHO.chat(request)) };
    const { served, engine, agent } = await active(made, { kind: "none" }, handlers);
    const asked = chat(made.principal, served);
    await vi.waitFor(() => expect(agent.requests).toHaveLength(1));
    await using((s) => s.deactivateEngine(engine));
    expect(await tasksOf(made.principal, engine)).toEqual(["cancelled"]);
    const next = chat(made.principal, served, "next");
    await vi.waitFor(async () => expect(await tasksOf(made.principal, engine)).toContain("queued"));
    await RelayAgent.serve(made.client, ECHO);
    expect(await next).toBe("next");
    expect(agent.requests).toHaveLength(1);
    answer();
    expect(await asked).toBe("hello");
    expect(await agent.frames.closed).toBe(1000);
  });

  it("has as many tasks as replicas, also when their number changes", async () => {
    const { principal } = await account();
    const engine = await using((s) => s.createEngine(principal, { ...running, replicas: 2 }));
    const live = async () => (await tasksOf(principal, engine)).filter((status) => status === "queued").length;
    expect(await live()).toBe(2);
    for (const replicas of [3, 1, 3]) {
      await using((s) => s.configureEngine(engine, { replicas }));
      expect(await live()).toBe(replicas);
    }
    expect(await code(using((s) => s.configureEngine(engine, { replicas: 0 })))).toBe("invalid_request");
  });

  it("is served by each agent once, however many of its tasks are queued", async () => {
    const made = await account();
    const { engine } = await active(made);
    const { items } = await using((s) => s.listJobs(made.principal, { kind: "serve" }, { limit: 1 }));
    await using((s) => s.configureEngine(engine, { replicas: 3 }));
    const agentId = items[0]?.task.agentId ?? "";
    const slot = { id: "serve", kind: "gpu" as const, gpus: [0], serve_bytes: 64 * 2 ** 30 };
    const claim = { claim_id: crypto.randomUUID(), free_slots: [slot], wait_ms: 0 };
    const same = { agentId, accountId: made.principal.accountId, expiresAtMs: Date.now() + HOUR_MS };
    expect(await using((s) => s.leaseTask(same, claim, ORIGIN))).toBeNull();
    const [, queued] = (await engineNow(made.principal, engine.id)).taskIds;
    const woken = { ...claim, claim_id: crypto.randomUUID(), task_id: queued ?? "" };
    expect(await using((s) => s.leaseTask(same, woken, ORIGIN))).toBeNull();
    await RelayAgent.serve(made.client, ECHO);
    expect((await tasksOf(made.principal, engine)).sort()).toEqual(["queued", "running", "running"]);
  });

  it("takes requests from an agent that is frozen, with its socket open, once its lease is lost", async () => {
    const made = await account();
    const frozen: Handlers = { chat: () => new Promise(() => undefined) };
    const { engine, served, agent } = await active(made, { kind: "none" }, frozen);
    const [taskId = ""] = engine.taskIds;
    await using((s) => s.configureEngine(engine, { replicas: 2 }));
    const asked = chat(made.principal, served, "first");
    await vi.waitFor(() => expect(agent.requests).toHaveLength(1));
    await RelayAgent.serve(made.client, ECHO);
    await expire(taskId);
    expect(await asked).toBe("first");
    expect(await chat(made.principal, served, "second")).toBe("second");
    expect(await agent.frames.closed).toBe(1000);
  });

  it("is on its way again when its agents are lost, however often, as long as they come to run", async () => {
    const made = await account();
    const { engine, served, agent } = await active(made);
    const [taskId = ""] = engine.taskIds;
    agent.frames.drop();
    for (let lost = 0; lost < 4; lost += 1) {
      await expire(taskId);
      await vi.waitFor(async () => expect((await engineNow(made.principal, engine.id)).status).toBe("starting"));
      expect(deploymentStatus(await servedNow(made.principal, served.deployment.id))).toBe("reactivating");
      const again = await RelayAgent.leased(made.client);
      await again.lease.started(0);
    }
    expect(await engineNow(made.principal, engine.id)).toMatchObject({ run: 1, problem: null });
  });

  it("says why its run has ended by itself, and pauses longer each time before a request may wake it", async () => {
    const made = await account();
    setClock(Date.now());
    const { engine, deployment } = await deployBase(made, { kind: "none" });
    for (const [run, seconds] of [
      [1, 5],
      [2, 10],
      [3, 20],
    ] as const) {
      const agent = await RelayAgent.leased(made.client);
      await agent.lease.fail("out_of_memory", "the model does not fit");
      await vi.waitFor(async () => expect((await engineNow(made.principal, engine.id)).status).toBe("inactive"));
      const served = await servedNow(made.principal, deployment.id);
      expect(served.engine).toMatchObject({ run, problem: "the model does not fit" });
      expect(deploymentStatus(served)).toBe("failed");
      const refused = await refusal(chat(made.principal, served));
      expect(refused).toMatchObject({ code: "unavailable", detail: { retryAfterSeconds: seconds } });
      expect(refused.message).toContain("the model does not fit");
      moveClock(seconds * 1000);
      const asked = chat(made.principal, served);
      await vi.waitFor(async () => expect((await engineNow(made.principal, engine.id)).run).toBe(run + 1));
      if (run < 3) {
        void asked.catch(() => undefined);
        continue;
      }
      await RelayAgent.serve(made.client, ECHO);
      expect(await asked).toBe("hello");
    }
  });
});

describe("an engine with an inactive timeout", () => {
  it("ends so long after its last request, and the next one brings it up again", async () => {
    const made = await account();
    setClock(Date.now());
    const { engine, served } = await active(made, { kind: "inactive_timeout", seconds: 3600 });
    moveClock(HOUR_MS - 60_000);
    expect(await chat(made.principal, served)).toBe("hello");
    moveClock(HOUR_MS - 1000);
    await ring(engine.id);
    expect((await engineNow(made.principal, engine.id)).status).toBe("active");
    moveClock(1000);
    await ring(engine.id);
    const ended = await servedNow(made.principal, served.deployment.id);
    expect([ended.engine.status, deploymentStatus(ended)]).toEqual(["inactive", "deactivated"]);
    expect(await tasksOf(made.principal, engine)).toEqual(["cancelled"]);
    const asked = chat(made.principal, served, "again");
    await vi.waitFor(async () => expect((await engineNow(made.principal, engine.id)).status).toBe("starting"));
    await RelayAgent.serve(made.client, ECHO);
    expect(await asked).toBe("again");
  });

  it("does not end while a model of it is being loaded, for which a request waits", async () => {
    const made = await account();
    setClock(Date.now());
    const served = await deployBase(made, { kind: "inactive_timeout", seconds: 1 });
    const asked = chat(made.principal, served);
    const agent = await RelayAgent.leased(made.client);
    await agent.lease.started(0);
    const statusNow = async () => (await engineNow(made.principal, served.engine.id)).status;
    const { webSocket } = await agent.upgrade();
    if (webSocket === null) throw new Error("no socket");
    const frames = new FrameAgent(webSocket, ECHO);
    await vi.waitFor(async () => expect(await statusNow()).toBe("active"));
    moveClock(5_000);
    await ring(served.engine.id);
    expect(await statusNow()).toBe("active");
    frames.ready(served.deployment.id);
    expect(await asked).toBe("hello");
    moveClock(5_000);
    await ring(served.engine.id);
    expect(await statusNow()).toBe("inactive");
  });

  it("counts from when its model came up, and not while a request is under way", async () => {
    const made = await account();
    setClock(Date.now());
    let answer: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answer = resolve));
    const handlers: Handlers = { chat: (request) => held.then(() => ECHO.chat(request)) };
    const { engine, served, agent } = await active(made, { kind: "inactive_timeout", seconds: 60 }, handlers);
    const asked = chat(made.principal, served);
    await vi.waitFor(() => expect(agent.requests).toHaveLength(1));
    moveClock(10 * 60_000);
    await ring(engine.id);
    expect((await engineNow(made.principal, engine.id)).status).toBe("active");
    answer();
    expect(await asked).toBe("hello");
    moveClock(59_000);
    await ring(engine.id);
    expect((await engineNow(made.principal, engine.id)).status).toBe("active");
    moveClock(2_000);
    await ring(engine.id);
    expect((await engineNow(made.principal, engine.id)).status).toBe("inactive");
  });
});

describe("an engine with a schedule", () => {
  const hours = { timezone: "Europe/Berlin", startTime: "09:00", endTime: "17:00" };
  const management: EngineManagement = { kind: "schedule", ...hours, days: ["monday", "tuesday"] };
  const monday = (time: string) => Date.parse(`2031-03-31T${time}:00+02:00`);
  const tuesday = (time: string) => Date.parse(`2031-04-01T${time}:00+02:00`);

  it("is up within its hours without being asked, and no request wakes it out of them", async () => {
    const { principal, ...made } = await account();
    setClock(monday("07:30"));
    const served = await deployBase({ principal, ...made }, management);
    const status = async () => (await engineNow(principal, served.engine.id)).status;
    expect(served.engine).toMatchObject({ status: "inactive", run: 0 });
    expect(deploymentStatus(served)).toBe("pending");
    const refused = await refusal(chat(principal, served));
    expect(refused).toMatchObject({ code: "unavailable", detail: { retryAfterSeconds: 90 * 60 } });
    expect(refused.message).toContain("2031-03-31T07:00:00.000Z");
    setClock(monday("09:00"));
    await ring(served.engine.id);
    expect(await status()).toBe("starting");
    setClock(monday("17:00"));
    await ring(served.engine.id);
    expect(await status()).toBe("inactive");
    expect(await tasksOf(principal, served.engine)).toEqual(["cancelled"]);
    // Over the days that are none of its.
    setClock(tuesday("17:00") + HOUR_MS);
    await ring(served.engine.id);
    expect(await status()).toBe("inactive");
  });

  it("is up out of its hours when somebody asks, until their next end", async () => {
    const { principal } = await account();
    setClock(monday("20:00"));
    const engine = await using((s) => s.createEngine(principal, { baseModel: BASE, management }));
    const status = async () => (await engineNow(principal, engine.id)).status;
    expect(await using((s) => s.reactivateEngine(engine))).toMatchObject({ status: "starting", run: 1 });
    setClock(tuesday("09:00"));
    await ring(engine.id);
    expect((await engineNow(principal, engine.id)).run).toBe(1);
    setClock(tuesday("16:59"));
    await ring(engine.id);
    expect(await status()).toBe("starting");
    setClock(tuesday("17:00"));
    await ring(engine.id);
    expect(await status()).toBe("inactive");
  });

  it("stays down when somebody ends it within its hours, until the next ones begin or a request comes", async () => {
    const { principal, ...made } = await account();
    setClock(monday("10:00"));
    const { engine, deployment } = await deployBase({ principal, ...made }, management);
    const status = async () => (await engineNow(principal, engine.id)).status;
    expect(engine.status).toBe("starting");
    await using((s) => s.deactivateEngine(engine));
    moveClock(HOUR_MS);
    await door(engine.id).tick();
    expect(await status()).toBe("inactive");
    const asked = chat(principal, await servedNow(principal, deployment.id));
    void asked.catch(() => undefined);
    await vi.waitFor(async () => expect(await status()).toBe("starting"));
    await using((s) => s.deactivateEngine(engine));
    setClock(tuesday("09:00"));
    await ring(engine.id);
    expect(await status()).toBe("starting");
  });

  it("binds an engine that is given one, and lets go of it with another rule", async () => {
    const { principal } = await account();
    setClock(monday("20:00"));
    const engine = await using((s) => s.createEngine(principal, running));
    expect(await using((s) => s.configureEngine(engine, { management }))).toMatchObject({ status: "inactive" });
    setClock(tuesday("10:00"));
    await ring(engine.id);
    expect((await engineNow(principal, engine.id)).status).toBe("starting");
    await using((s) => s.configureEngine(engine, { management: { kind: "none" } }));
    setClock(tuesday("18:00"));
    await ring(engine.id);
    expect((await engineNow(principal, engine.id)).status).toBe("starting");
  });
});

describe("a crash", () => {
  /** Runs `work` in the engine's object, which is lost when it comes to `point`. */
  async function crashAt(id: string, point: EngineFaultPoint, work: (parts: EngineObjectParts) => Promise<unknown>) {
    const lost = runInDurableObject(objectOf(id), (_, state) => {
      const at = async (here: string) => {
        if (here !== point) return;
        reached.add(point);
        await state.storage.sync();
        state.abort(CRASH);
      };
      return work(engineObjectParts(state, env, id, { at }));
    });
    await expect(lost).rejects.toThrow(CRASH);
  }

  async function stopped(): Promise<{ principal: Principal; engine: EngineRecord }> {
    const { principal } = await account();
    const engine = await using((s) => s.createEngine(principal, running));
    return { principal, engine: await using((s) => s.deactivateEngine(engine)) };
  }

  it.each(ENGINE_FAULT_POINTS)("of a start at %s leaves one task, which the next look finds", async (point) => {
    const { principal, engine } = await stopped();
    await crashAt(engine.id, point, (parts) => parts.door.wake("asked"));
    expect(await engineNow(principal, engine.id)).toMatchObject({ status: "starting", run: 2, taskIds: [] });
    await ring(engine.id);
    const healed = await engineNow(principal, engine.id);
    expect([healed.run, healed.taskIds.length]).toEqual([2, 1]);
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "queued"]);
    await door(engine.id).tick();
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "queued"]);
  });

  it("of a start is healed by whoever asks next, and by an end", async () => {
    const { principal, engine } = await stopped();
    await crashAt(engine.id, "serve_tasks_made", (parts) => parts.door.wake("asked"));
    expect(await using((s) => s.deactivateEngine(engine))).toMatchObject({ status: "inactive" });
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "cancelled"]);
  });

  it("of an end leaves no task", async () => {
    const { principal, engine } = await stopped();
    await using((s) => s.reactivateEngine(engine));
    await crashAt(engine.id, "engine_changed", (parts) => parts.door.deactivate("asked"));
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "queued"]);
    await ring(engine.id);
    expect(await tasksOf(principal, engine)).toEqual(["cancelled", "cancelled"]);
  });

  it("of a deletion leaves no task", async () => {
    const { principal } = await account();
    const engine = await using((s) => s.createEngine(principal, running));
    await crashAt(engine.id, "engine_changed", (parts) => parts.door.remove(true));
    expect(await code(engineNow(principal, engine.id))).toBe("not_found");
    await ring(engine.id);
    expect(await tasksOf(principal, engine)).toEqual(["cancelled"]);
  });

  it("before the object was told of its engine is swept up", async () => {
    const { principal } = await account();
    const ids = { next: () => "01kzzzzzzz00zzzzzzzzzzzzzz", randomHex: () => "" };
    const settings = { defaultGpu: { type: "L4-24GB", count: 1 } };
    const ports = { ids, settings, clock: { nowMs: () => Date.now() } } as unknown as Parameters<typeof newEngine>[0];
    const base = { kind: "builtin", name: BASE } as const;
    const engine = newEngine(ports, principal, { ...running, base, taskType: "text-generation" });
    await new D1EngineStore(databases(env.DB)).create({ ...engine, name: "untold" }, null);
    moveClock(31_000);
    await using((s) => s.sweepEngines());
    expect(await tasksOf(principal, engine)).toEqual(["queued"]);
  });
});

/** A job with two checkpoints; the files of a LoRA job, merged weights and adapter. */
async function trained({ principal }: Account): Promise<JobRecord> {
  const agent = await newAgent(principal);
  const job = await newJob(principal, { outputName: "greeter" });
  const lease = await mustClaim(agent);
  await reportStarted(agent, lease);
  const files = (["model", "adapter"] as const).map((role) => {
    return { role, path: `${role}.tar.gz`, bytes: new TextEncoder().encode(role) };
  });
  for (const [kind, step] of [
    ["epoch", 5],
    ["final", 10],
  ] as const) {
    const request = await uploadFiles(agent, lease, { kind, step }, files);
    await using((s) => s.commitCheckpoint(agent, lease.lease_id, request));
  }
  await using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 10 }));
  return using((s) => s.getJob(principal, job.id));
}

describe("a deployment", () => {
  const ofJob = (job: JobRecord, checkpoint: number | null, name?: string) => ({
    ...{ model: { jobId: job.id, checkpoint }, modelText: `job_${job.id}`, origin: "anneal" as const },
    ...(name === undefined ? {} : { name }),
  });

  it("names what is not there, and what it may not be called", async () => {
    const made = await account();
    const { principal } = made;
    const job = await trained(made);
    const deploy = (request: Parameters<typeof ofJob>) =>
      refusal(using((s) => s.createDeployment(principal, ofJob(...request), {}))).then((e) => [e.code, e.detail.field]);
    expect(await deploy([job, 7])).toEqual(["invalid_request", "checkpoint"]);
    expect(await deploy([job, 1, BASE])).toEqual(["invalid_request", "name"]);
    expect(await deploy([job, 1, `dp-${job.id}`])).toEqual(["invalid_request", "name"]);
    const other = await account();
    const foreign = using((s) => s.createDeployment(other.principal, ofJob(job, 1), {}));
    expect(await code(foreign)).toBe("not_found");
    await using((s) => s.createDeployment(principal, ofJob(job, 1, "mine"), {}));
    expect(await deploy([job, 2, "mine"])).toEqual(["conflict", "name"]);
    const names = await Promise.all(
      [1, 2].map(() => using((s) => s.createDeployment(principal, ofJob(job, null), {}))),
    );
    expect(names.map(({ deployment }) => deployment.name).sort()).toEqual([
      "greeter-checkpoint-2",
      "greeter-checkpoint-2-2",
    ]);
    expect(names.map(({ engine }) => engine.name).sort()).toEqual(["greeter-engine-2", "greeter-engine-3"]);
  });

  it("fits the engine that it is put on, shares its base as an adapter, and keeps its job from being deleted", async () => {
    const made = await account();
    const { principal, client } = made;
    const job = await trained(made);
    const engine = await using((s) => s.createEngine(principal, running));
    const bert = await using((s) => s.createEngine(principal, { baseModel: "anneal/tiny-bert" }));
    const misfit = using((s) => s.deployOn(principal, bert, ofJob(job, 1)));
    expect((await refusal(misfit)).detail.field).toBe("model");
    await using((s) => s.deleteEngine(bert));
    const agent = await RelayAgent.serve(client, ECHO);
    const served = await using((s) => s.deployOn(principal, engine, ofJob(job, 1)));
    const base = await using((s) => s.deployOn(principal, engine, ofJob(job, 0, "bare")));
    expect(
      (await agent.deployments()).map(({ id, checkpoint }) => [id, checkpoint?.files.map(({ role }) => role)]),
    ).toEqual([
      [served.deployment.id, ["adapter"]],
      [base.deployment.id, undefined],
    ]);
    await vi.waitFor(async () => expect(await chat(principal, served)).toBe("hello"));
    expect((await refusal(using((s) => s.deleteJob(job)))).message).toContain("'greeter-checkpoint-1'");
    expect(await using((s) => s.deploymentCounts([engine]))).toEqual(new Map([[engine.id, 2]]));
    await using((s) => s.undeploy(engine, served.deployment.name));
    expect(await code(using((s) => s.undeploy(engine, served.deployment.name)))).toBe("not_found");
    expect(deploymentStatus(await servedNow(principal, served.deployment.id))).toBe("terminated");
    expect(await code(using((s) => s.deleteJob(job)))).toBe("ok");
    expect((await engineNow(principal, engine.id)).status).toBe("active");
  });

  it("ends with its own engine, and keeps its numbers until it is deleted", async () => {
    const made = await account();
    const { served, engine } = await active(made);
    expect(await chat(made.principal, served)).toBe("hello");
    const stopped = await using((s) => s.stopDeployment(served));
    expect([deploymentStatus(stopped), stopped.engine.deletedAtMs !== null]).toEqual(["terminated", true]);
    expect(await tasksOf(made.principal, engine)).toEqual(["cancelled"]);
    const metrics = () => using((s) => s.deploymentMetrics([served])).then((all) => all.get(served.deployment.id));
    expect(await metrics()).toMatchObject({ requests: 1, failed: 0 });
    expect(await code(using((s) => s.reactivateDeployment(stopped)))).toBe("illegal_transition");
    await using((s) => s.deleteDeployment(stopped));
    expect(await code(servedNow(made.principal, served.deployment.id))).toBe("not_found");
    expect(await metrics()).toMatchObject({ requests: 0 });
  });

  it("that an agent could not load has failed until it is tried again", async () => {
    const made = await account();
    const { agent, served, engine } = await active(made);
    const second = await using((s) =>
      s.deployOn(made.principal, engine, {
        ...{ name: "second", model: { baseModel: BASE }, modelText: BASE, origin: "anneal" },
      }),
    );
    const state = async () => (await servedNow(made.principal, second.deployment.id)).deployment;
    await vi.waitFor(async () => expect((await state()).readyRun).toBe(1));
    agent.frames.failed(second.deployment.id, "no memory");
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: "failed", error: "no memory" }));
    expect((await agent.deployments()).map(({ id }) => id)).toEqual([served.deployment.id]);
    await using(async (s) => s.reactivateDeployment(await s.getDeployment(made.principal, second.deployment.id)));
    await vi.waitFor(async () => expect(await state()).toMatchObject({ state: "live", error: null }));
    const present = await servedNow(made.principal, second.deployment.id);
    expect(await code(using((s) => s.reactivateDeployment(present)))).toBe("illegal_transition");
  });
});

describe("a catalogue model by its own name", () => {
  it("has one engine of the account however many calls race, and another when that was deleted", async () => {
    const { principal } = await account();
    const calls = Array.from({ length: 20 }, () => using((s) => s.serverlessModel(principal, BASE)));
    const made = await Promise.all(calls);
    expect(new Set(made.map((served) => served?.deployment.id)).size).toBe(1);
    expect(made[0]).toMatchObject({ deployment: { name: BASE, origin: "serverless" }, engine: { isServerless: true } });
    expect((await using((s) => s.listEngines(principal, {}, { limit: 10 }))).items).toHaveLength(1);
    expect(await using((s) => s.serverlessModel(principal, "anneal/tiny-bert"))).toBeNull();
    expect(await using((s) => s.serverlessModel(principal, "nobody/knows-it"))).toBeNull();
    const [first] = made;
    if (first) await using((s) => s.deleteEngine(first.engine));
    const again = await using((s) => s.serverlessModel(principal, BASE));
    expect(again?.deployment.id).not.toBe(first?.deployment.id);
  });
});

describe("the agent of a serve task", () => {
  it("opens its socket by its own live lease of the engine alone", async () => {
    const made = await account();
    const { engine } = await deployBase(made, { kind: "none" });
    const agent = await RelayAgent.leased(made.client);
    const [taskId = ""] = (await engineNow(made.principal, engine.id)).taskIds;
    expect((await agent.upgrade(`${taskId}.2`)).status).toBe(409);
    const other = await using((s) => s.createEngine(made.principal, running));
    const principal = await newAgent(made.principal);
    const request = new Request(ORIGIN, { headers: { upgrade: "websocket" } });
    const connect = (id: string, lease: string, shard = "0") =>
      code(using((s) => s.connectEngine(principal, id, { lease, shard }, request)));
    expect(await connect(engine.id, `${taskId}.1`)).toBe("stale_lease");
    expect(await connect(other.id, `${taskId}.1`)).toBe("stale_lease");
    expect(await connect(engine.id, `${taskId}.1`, "1")).toBe("invalid_request");
    expect(await connect(engine.id, "nothing")).toBe("not_found");
    const stranger = await newAgent((await account()).principal);
    const foreign = using((s) => s.servedDeployments(stranger, `${taskId}.1`, ORIGIN));
    expect(await code(foreign)).toBe("not_found");
    await agent.connect();
    await expire(taskId);
    expect((await agent.upgrade()).status).toBe(409);
  });
});
