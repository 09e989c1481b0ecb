import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseGpuList } from "../../agent/src/host-probe";
import { ApiClient } from "../../agent/src/api-client";
import { Identity, type HostFacts } from "../../agent/src/identity";
import { addTask, leapingRetrier, LeapingClock, start, until, useBench } from "./support";

const bench = useBench();

describe("the socket", () => {
  it("is opened again when it breaks, and polling does its work until then", async () => {
    const { api, log } = bench();
    const agent = start(bench(), undefined, { once: false });
    await until(() => api.sockets.length === 1 && api.claims.length === 1, "an idle agent");
    api.dropSockets();
    addTask(api);
    await until(() => [...api.leases.values()].some(({ finish }) => finish !== null), "a task found by polling");
    await until(() => api.sockets.length === 1, "the socket again");
    expect(api.claims.some(({ wait_ms: waitMs }) => waitMs === 20_000)).toBe(true);
    expect(log.lines.filter((line) => line === "socket is up")).toHaveLength(2);
    agent.drain();
    expect(await agent.done).toBe(0);
  });

  it("is not needed: a lost claim answer is asked for again with the same id", async () => {
    const { api } = bench();
    api.faults.push({ path: /leases$/, times: 1, answer: "cut_after" });
    addTask(api);
    expect(await start(bench()).done).toBe(0);
    expect(api.claims.slice(0, 2).map(({ claim_id: id }) => id)).toEqual(Array(2).fill(api.claims[0]?.claim_id));
    expect(api.leases.size).toBe(1);
  });
});

describe("a claim", () => {
  it("that came too late is followed by another", async () => {
    const { api } = bench();
    api.faults.push({ path: /leases$/, times: 1, answer: { status: 409, code: "stale_lease" } });
    addTask(api);
    const agent = start(bench());
    await until(() => bench().log.lines.includes("a claim came too late"));
    api.push({ type: "wake", task_id: "any" });
    expect(await agent.done).toBe(0);
  });

  it("that is refused for good ends the agent with the reason", async () => {
    bench().api.faults.push({ path: /leases$/, times: 9, answer: { status: 403, code: "forbidden" } });
    await expect(start(bench()).done).rejects.toThrow("403 forbidden");
  });
});

describe("a machine that cannot run tasks", () => {
  it("does not take the next one at once", async () => {
    const { api } = bench();
    addTask(api);
    addTask(api);
    const command = { command: "/nowhere/python3", args: [], pythonPath: "" };
    const agent = start(bench(), [], { command, once: false });
    await until(() => [...api.leases.values()][0]?.release !== undefined && api.only.release !== null);
    await until(() => api.sockets.length === 1);
    api.push({ type: "wake", task_id: "task_x" });
    api.push({ type: "wake", task_id: "task_y" });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(api.leases.size).toBe(1);
    agent.drain();
    expect(await agent.done).toBe(0);
  });
});

describe("Identity", () => {
  const facts: HostFacts = {
    protocol: 1,
    name: "n",
    agent_version: "0",
    gpus: [],
    cpu_count: 1,
    memory_bytes: 1,
    driver: null,
    cuda_probe: null,
    isolation: { level: 0, detail: "" },
    slots: [{ id: "cpu", kind: "cpu", gpus: [] }],
  };
  const { signal } = new AbortController();

  async function load(bootstrapToken = bench().api.bootstrapToken) {
    const { api, dir, log } = bench();
    const clock = new LeapingClock();
    clock.nowMs = Date.now();
    const identity: Identity = await Identity.load({
      path: join(dir, "identity.json"),
      url: api.url,
      bootstrapToken,
      api: (): ApiClient => client,
      retrier: leapingRetrier(clock),
      clock,
      log,
    });
    const client = new ApiClient(api.url, () => identity);
    return { identity, clock, client };
  }

  it("registers again with the same nonce and is the same agent, in a file that only its owner reads", async () => {
    const first = await load();
    const second = await load();
    const ids = [await first.identity.register(facts, signal), await second.identity.register(facts, signal)];
    expect(new Set(ids.map(({ agent_id: id }) => id)).size).toBe(1);
    const path = join(bench().dir, "identity.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ registration: { agent_id: "agent_1" } });
  });

  it("goes on with a stored token when the bootstrap token is spent, and gives up without one", async () => {
    const { identity } = await load();
    await identity.register(facts, signal);
    const later = await load("spent");
    expect((await later.identity.register(facts, signal)).agent_id).toBe("agent_1");
    writeFileSync(join(bench().dir, "identity.json"), "not readable");
    const stranger = await load("spent");
    await expect(stranger.identity.register(facts, signal)).rejects.toThrow("401");
  });

  it("waits for a worker that is not there yet", async () => {
    const { identity } = await load();
    bench().api.faults.push({ path: /register$/, times: 3, answer: "cut" });
    expect((await identity.register(facts, signal)).agent_id).toBe("agent_1");
  });

  it("gets a new token when its own is refused in a call, once for all callers", async () => {
    const { api } = bench();
    const { identity, client } = await load();
    await identity.register(facts, signal);
    api.agentToken = "agent-token-2";
    const claim = (id: string) =>
      client.claim({ claim_id: id, free_slots: facts.slots, wait_ms: 0 }, new AbortController().signal);
    await Promise.all([claim("0123456789abcdef"), claim("0123456789abcdeg")]);
    expect(api.registrations).toHaveLength(2);
    expect(identity.agentToken()).toBe("agent-token-2");
  });

  it("renews the token of an idle agent past half of its life", async () => {
    const { api } = bench();
    const { identity, clock } = await load();
    await identity.register(facts, signal);
    await identity.renewIfAgeing();
    expect(api.registrations).toHaveLength(1);
    clock.nowMs += api.tokenLifeMs / 2 + 1000;
    await identity.renewIfAgeing();
    await identity.renewIfAgeing();
    expect(api.registrations).toHaveLength(2);
  });
});

describe("parseGpuList", () => {
  it("reads what nvidia-smi prints, and nothing out of a complaint", () => {
    const csv = "NVIDIA H100 80GB HBM3, 81559, 550.54.15\nNVIDIA H100 80GB HBM3, 81559, 550.54.15\n";
    const gpu = { name: "NVIDIA H100 80GB HBM3", memory_bytes: 81559 * 1024 * 1024 };
    expect(parseGpuList(csv)).toEqual({ gpus: [gpu, gpu], driver: "550.54.15" });
    expect(parseGpuList("NVIDIA-SMI has failed, because it couldn't communicate\n")).toEqual({
      gpus: [],
      driver: null,
    });
  });
});
