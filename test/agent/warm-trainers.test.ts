import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { statePaths } from "../../agent/src/paths";
import { hasInEnvironment, statOf } from "../../agent/src/process-table";
import { startTrainer } from "../../agent/src/trainer-process";
import { WarmTrainers } from "../../agent/src/warm-trainers";
import type { SlotInfo } from "../../protocol";
import { addTask, agentOptions, ending, isAlive, LeapingClock, start, started, until, useBench } from "./support";

vi.setConfig({ testTimeout: 30_000 });

const bench = useBench();
const script = [started, { op: "tell_pid" }, { op: "tell_environment" }, ...ending];
const warmAgent = { warmTrainer: true, once: false };
const taskNames = (): string[] => readdirSync(join(bench().dir, "state/tasks"));

/** The process that waits, once it is ready. */
async function waitingPid(readyLines = 1): Promise<number> {
  const ready = (): number => bench().log.lines.filter((line) => line.startsWith("a trainer is warm")).length;
  await until(() => ready() === readyLines, "a warm trainer");
  const record = readFileSync(join(bench().dir, `state/tasks/warm-cpu-${readyLines}/process.json`), "utf8");
  return (JSON.parse(record) as { pid: number }).pid;
}

async function runTask(): Promise<{ pid: number; env: Record<string, string> }> {
  const { api } = bench();
  const { lease_id: id, task_id } = addTask(api);
  api.push({ type: "wake", task_id });
  await until(() => api.leases.get(id)?.finish?.outcome === "completed", "the task's end");
  const [pid = "", env = ""] = api.leases.get(id)?.logs.map(({ line }) => line) ?? [];
  return { pid: Number(pid.split(" ")[1]), env: JSON.parse(env) as Record<string, string> };
}

describe("an idle agent", () => {
  it("keeps a trainer waiting, which becomes the next task's, and then another; none is left when it stops", async () => {
    const agent = start(bench(), script, warmAgent);
    const first = await waitingPid();
    const { pid, env } = await runTask();
    expect(pid).toBe(first);
    const [task] = [...bench().api.leases.keys()];
    expect(env).toMatchObject({ ANNEAL_TASK: task, TMPDIR: expect.stringContaining(`/tasks/${task}/tmp`) });
    const second = await waitingPid(2);
    expect(second).not.toBe(first);
    await until(() => taskNames().join() === "warm-cpu-2", "the first one's folder to go");
    agent.drain();
    expect(await agent.done).toBe(0);
    expect([first, second].filter((one) => isAlive(one, statOf))).toEqual([]);
    expect(taskNames()).toEqual([]);
  });

  it("starts a fresh trainer when the one that waited was killed, and keeps no other for a while", async () => {
    const agent = start(bench(), script, warmAgent);
    const waiting = await waitingPid();
    process.kill(waiting, "SIGKILL");
    await until(() => bench().log.lines.some((line) => line.includes("that waited for slot cpu has ended")));
    expect((await runTask()).pid).not.toBe(waiting);
    expect((await runTask()).pid).not.toBe(waiting);
    expect(taskNames()).not.toContain("warm-cpu-1");
    agent.drain();
    expect(await agent.done).toBe(0);
  });

  it("that is killed takes its waiting trainer with it, and the next start clears the folder", async () => {
    const options = { ...agentOptions(bench(), script), ...warmAgent };
    const child = fileURLToPath(new URL("./agent-child.ts", import.meta.url).href);
    const agent = spawn(process.execPath, ["--import", "tsx", child, JSON.stringify(options)], { stdio: "ignore" });
    const record = join(bench().dir, "state/tasks/warm-cpu-1/process.json");
    await until(() => existsSync(record) && readFileSync(record, "utf8").endsWith("}"), "a waiting trainer");
    const { pid } = JSON.parse(readFileSync(record, "utf8")) as { pid: number };
    const killedAtMs = Date.now();
    agent.kill("SIGKILL");
    await until(() => !isAlive(pid, statOf), "the waiting trainer's end");
    expect(Date.now() - killedAtMs).toBeLessThan(5_000);
    expect(taskNames()).toEqual(["warm-cpu-1"]);
    addTask(bench().api);
    expect(await start(bench(), script).done).toBe(0);
    expect(taskNames()).toEqual([]);
  });
});

/** On a full disk, say. */
describe("a trainer whose task's files cannot be written", () => {
  const cpu: SlotInfo = { id: "cpu", kind: "cpu", gpus: [] };
  const processesOf = (id: string): string[] =>
    readdirSync("/proc").filter((pid) => Number(pid) > 0 && hasInEnvironment(Number(pid), `ANNEAL_TASK=${id}`));

  it("ends when it was waiting", async () => {
    const paths = statePaths(join(bench().dir, "state"));
    const clock = new LeapingClock();
    const deps = { ...agentOptions(bench(), script), clock, warmTrainer: true, paths };
    const warm = new WarmTrainers({ ...deps, onStart: () => () => undefined, freeMemory: () => 2 ** 40 });
    warm.keep([cpu]);
    const pid = await waitingPid();
    writeFileSync(paths.task("l1").root, "no folder");
    await expect(warm.trainerFor("l1", cpu, paths.task("l1"))).rejects.toThrow("ENOTDIR");
    expect(isAlive(pid, statOf)).toBe(false);
  });

  it("ends when it was fresh", async () => {
    const task = statePaths(join(bench().dir, "state")).task("l2");
    mkdirSync(task.process, { recursive: true });
    writeFileSync(task.config, "{}");
    const id = `l2-${process.pid}`;
    const waits = { command: process.execPath, args: ["-e", "setInterval(() => 0, 1000)"], pythonPath: "" };
    const deps = { ...agentOptions(bench()), command: waits };
    await expect(startTrainer(id, task, deps)).rejects.toThrow("EISDIR");
    await until(() => processesOf(id).length === 0, "its end");
  });
});

describe("a trainer is kept only where it is of use", () => {
  const gpus = (count: number): SlotInfo => ({ id: "gpu", kind: "gpu", gpus: [...Array(count).keys()] });
  const cases = [
    { what: "one GPU", slot: gpus(1), warmTrainer: true, freeGiB: 64, kept: true },
    { what: "off", slot: gpus(1), warmTrainer: false, freeGiB: 64, kept: false },
    { what: "several GPUs, which need a process each", slot: gpus(2), warmTrainer: true, freeGiB: 64, kept: false },
    { what: "too little memory", slot: gpus(1), warmTrainer: true, freeGiB: 1, kept: false },
  ];
  it.each(cases)("$what: $kept", async ({ slot, warmTrainer, freeGiB, kept }) => {
    const paths = statePaths(join(bench().dir, "state"));
    const warm = new WarmTrainers({
      ...agentOptions(bench(), script),
      clock: new LeapingClock(),
      warmTrainer,
      paths,
      onStart: () => () => undefined,
      freeMemory: () => freeGiB * 2 ** 30,
    });
    warm.keep([slot]);
    expect(existsSync(paths.task("warm-gpu-1").root)).toBe(kept);
    await warm.stop();
  });
});
