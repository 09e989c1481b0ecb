import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { slotsOf } from "../../agent/src/host-probe";
import { sessionMembers } from "../../agent/src/process-table";
import { SlotTable } from "../../agent/src/slot-table";
import type { Lease } from "../../protocol";
import { addServeTask, base, trained } from "./serving-support";
import { addTask, agentOptions, start, until, useBench } from "./support";

vi.setConfig({ testTimeout: 30_000 });

const bench = useBench();
const VLLM = fileURLToPath(new URL("../harness/scripted-vllm.mjs", import.meta.url).href);
const SMALL = fileURLToPath(new URL("../harness/scripted-server.mjs", import.meta.url).href);
const CHILD = fileURLToPath(new URL("./agent-child.ts", import.meta.url).href);
const GIB = 1024 ** 3;

/** Options of an agent that has a GPU, as far as nvidia-smi says, and vLLM. */
function gpuOptions() {
  const folder = join(bench().dir, "bin");
  mkdirSync(folder);
  writeFileSync(join(folder, "nvidia-smi"), "#!/bin/sh\necho NVIDIA H100 80GB HBM3, 81920, 550.54.15\n", {
    mode: 0o755,
  });
  const options = agentOptions(bench());
  const path = [folder, process.env["PATH"]].join(delimiter);
  const small = { command: process.execPath, args: [SMALL], pythonPath: "" };
  return { ...options, once: false, env: { ...options.env, PATH: path }, servers: { small, vllm: VLLM } };
}

const printed = (begin: string): string[] =>
  bench().api.only.logs.flatMap(({ line }) => (line.startsWith(begin) ? [line.slice(begin.length)] : []));
const inState = (id: string, state: string): Promise<void> =>
  until(() => bench().api.engineSockets.at(-1)?.states(id).at(-1) === state, `${id} to be ${state}`);

describe("vLLM on a host with GPUs", () => {
  it("serves the base with its adapters in one process, other weights in another, and ends with the task", async () => {
    const { api, dir } = bench();
    const adapter = await trained(bench(), "dep_a", "adapter", ["adapter_config.json"]);
    const weights = await trained(bench(), "dep_w", "model", ["config.json", "model.safetensors"]);
    const lease = addServeTask(api, { base_model: { kind: "hub", id: "org/model" } });
    if (lease.spec.serve) lease.spec.serve.memory_bytes = 40 * GIB;
    api.deployments = [base("dep_b"), adapter, weights];
    const agent = start(bench(), undefined, gpuOptions());
    for (const id of ["dep_b", "dep_a", "dep_w"]) await inState(id, "ready");
    const { engineSocket: socket } = api;
    expect(socket.statuses[0]).toEqual({ type: "serving", max_active: 256, max_queue: 256 });
    const asked = ["dep_b", "dep_a", "dep_w"].map((id) => socket.ask(id, { say: ["a", "b"] }, { stream: true }));
    await until(() => asked.every(({ isOver }) => isOver));
    expect(asked.map(({ done }) => done?.usage?.completion_tokens)).toEqual([2, 2, 2]);
    expect(asked[1]?.events[0]).toMatchObject({ model: "my-model", choices: [{ delta: { content: "a" } }] });

    await until(() => printed("vllm ").length === 2);
    const started = printed("vllm ").map((line) => JSON.parse(line) as { model: string; rest: string[]; pid: number });
    expect(started.map(({ model }) => model)).toEqual(["org/model", expect.stringMatching(/deployments.*model$/)]);
    expect(started[0]?.rest).toEqual(expect.arrayContaining(["--enable-lora", "--gpu-memory-utilization", "0.50"]));
    expect(started[1]?.rest).toEqual(expect.arrayContaining(["--served-model-name", "dep_w"]));
    expect(started[1]?.rest).not.toContain("--enable-lora");
    expect(printed("devices ")).toEqual(["0", "0"]);
    expect(api.only.data[0]).toMatchObject({ type: "started", device: "cuda", versions: { server: "vllm" } });

    api.deployments = [base("dep_b")];
    socket.send({ type: "status", stream: 0, payload: Buffer.from('{"type":"deployments_changed"}') });
    const [first = { pid: 0 }, second = { pid: 0 }] = started;
    await until(() => sessionMembers(second.pid).length === 0, "the process of the weights to end");
    api.only.directive = "cancel";
    await until(() => api.only.finish !== null, "the task's end");
    agent.drain();
    expect(await agent.done).toBe(0);
    expect(sessionMembers(first.pid)).toEqual([]);
    expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);
  });

  it("leaves to the small server what it cannot do", async () => {
    const { api } = bench();
    addServeTask(api);
    api.deployments = [base("dep_b")];
    const agent = start(bench(), undefined, gpuOptions());
    await inState("dep_b", "ready");
    await until(() => printed("config ").length === 1);
    expect(JSON.parse(printed("config ")[0] ?? "")).toMatchObject({ gpus: [0] });
    agent.drain();
    expect(await agent.done).toBe(0);
  });

  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  it("ends with an agent that is killed", async () => {
    const { api } = bench();
    addServeTask(api, { base_model: { kind: "hub", id: "org/model" } });
    api.deployments = [base("dep_b")];
    const options = JSON.stringify(gpuOptions());
    const child = spawn(process.execPath, ["--import", "tsx", CHILD, options], { stdio: "ignore" });
    children.push(child);
    await until(() => api.leases.size === 1 && printed("vllm ").length === 1, "vLLM to run");
    const { pid } = JSON.parse(printed("vllm ")[0] ?? "") as { pid: number };
    child.kill("SIGKILL");
    await until(() => sessionMembers(pid).length === 0, "vLLM to end");
  });
});

describe("SlotTable", () => {
  const lease = (slot: string, bytes: number | null): Pick<Lease, "slot_id" | "spec"> => {
    const { spec } = addTask(bench().api);
    const serve = bytes === null ? {} : { serve: { engine_id: "e", task: "embedding" as const, memory_bytes: bytes } };
    return { slot_id: slot, spec: { ...spec, ...serve } };
  };
  const offered = (table: SlotTable) => table.free().map(({ id, serve_bytes: bytes }) => [id, bytes]);

  it("offers GPUs to one training or to what they can serve, never to both", () => {
    const table = new SlotTable(slotsOf([{ name: "H100", memory_bytes: 100 }], 1));
    expect(offered(table)).toEqual([
      ["gpu", undefined],
      ["serve", 90],
    ]);
    const [first, second, training] = [lease("serve", 50), lease("serve", 40), lease("gpu", null)];
    table.occupy(first);
    expect(offered(table)).toEqual([["serve", 40]]);
    table.occupy(second);
    expect(offered(table)).toEqual([]);
    table.leave(first);
    expect(offered(table)).toEqual([["serve", 50]]);
    table.leave(second);
    table.occupy(training);
    expect(offered(table)).toEqual([]);
  });

  it("serves beside a training where there are no GPUs", () => {
    const table = new SlotTable(slotsOf([], 100));
    table.occupy(lease("cpu", null));
    table.occupy(lease("serve", 20));
    expect(offered(table)).toEqual([["serve", 30]]);
  });
});
