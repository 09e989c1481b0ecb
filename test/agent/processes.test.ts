import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { clearLeftovers, takeStateDir } from "../../agent/src/leftovers";
import { statePaths } from "../../agent/src/paths";
import { statOf } from "../../agent/src/process-table";
import { addTask, agentOptions, ending, isAlive, started, TestLog, until, useBench, type Operation } from "./support";

// Each test starts whole agents, a second or so each on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const bench = useBench();
const CHILD = fileURLToPath(new URL("./agent-child.ts", import.meta.url).href);
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

interface AgentProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  readonly stderr: () => string;
}

function spawnAgent(script: Operation[], dir = bench().dir): AgentProcess {
  const options = JSON.stringify({ ...agentOptions({ ...bench(), dir }, script), once: false });
  const child = spawn(process.execPath, ["--import", "tsx", CHILD, options], { stdio: ["ignore", "inherit", "pipe"] });
  children.push(child);
  let stderr = "";
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
  return { child, exited, stderr: () => stderr };
}

/** The process id that the running trainer has printed, once it trains. */
async function trainerPid(): Promise<number> {
  const line = (): string | undefined =>
    [...bench().api.leases.values()].at(-1)?.logs.find((log) => log.line.startsWith("pid "))?.line;
  await until(() => line() !== undefined, "a trainer that trains");
  return Number(line()?.split(" ")[1]);
}

const running = (action: string): Operation[] => [
  started,
  { op: "on_term", action },
  { op: "train", to: 4 },
  { op: "tell_pid" },
  { op: "wait" },
];

describe("an agent that is told to stop", () => {
  it("SIGTERM: the trainer saves, the checkpoint is committed, the task is given back, exit 0", async () => {
    const { api, dir } = bench();
    addTask(api);
    const agent = spawnAgent(running("save"));
    const pid = await trainerPid();
    const waiting = addTask(api);
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(0);
    expect(api.only.committed.map(({ kind, step }) => [kind, step])).toEqual([["resume", 4]]);
    expect(api.only.release).toMatchObject({ reason: "preempted" });
    expect(api.only.data.filter(({ type }) => type === "metrics")).toHaveLength(4);
    expect(isAlive(pid, statOf)).toBe(false);
    expect(api.queue).toEqual([waiting]);
    expect(readdirSync(join(dir, "state"))).toEqual(expect.arrayContaining(["identity.json"]));
    expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);
    expect(agent.stderr()).not.toMatch(/agent-token|bootstrap-token/);
  });

  it("an idle one exits at once", async () => {
    const agent = spawnAgent([]);
    await until(() => bench().api.claims.length > 0);
    agent.child.kill("SIGINT");
    expect(await agent.exited).toBe(0);
  });

  it("the second signal ends everything at once", async () => {
    addTask(bench().api);
    const agent = spawnAgent(running("ignore"));
    const pid = await trainerPid();
    agent.child.kill("SIGTERM");
    // Two of the same signal at once would be one.
    await until(() => agent.stderr().includes("stopping: "));
    agent.child.kill("SIGTERM");
    expect(await agent.exited).toBe(1);
    await until(() => !isAlive(pid, statOf));
  });
});

describe("an agent that dies", () => {
  it("kill -9: its trainer ends by the life pipe; the next start clears up and is the same agent", async () => {
    const { api, dir } = bench();
    addTask(api);
    const first = spawnAgent(running("ignore"));
    const pid = await trainerPid();
    first.child.kill("SIGKILL");
    expect(await first.exited).toBe("SIGKILL");
    await until(() => !isAlive(pid, statOf), "the trainer's end");
    expect(readdirSync(join(dir, "state/tasks"))).toHaveLength(1);

    api.leases.clear();
    addTask(api);
    const second = spawnAgent([started, ...ending]);
    await until(() => [...api.leases.values()][0]?.finish?.outcome === "completed", "the second run");
    second.child.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(new Set(api.registrations.map(({ nonce }) => nonce)).size).toBe(1);
    expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);
  });

  it("frozen until another has its task: thawed, it gets 409, ends its trainer and changes nothing", async () => {
    const { api, dir } = bench();
    const lease = addTask(api);
    const frozen = spawnAgent(running("save"));
    const pid = await trainerPid();
    frozen.child.kill("SIGSTOP");
    // The worker has given the task to another: a new epoch, and the old lease is stale.
    const before = structuredClone({ ...api.only, begun: null });
    api.only.isStale = true;
    addTask(api, { ...lease, lease_id: `${lease.task_id}.2`, epoch: 2, attempt: 2 });
    const other = spawnAgent([started, { op: "train", to: 5 }, ...ending], join(dir, "other"));
    await until(() => api.leases.get(`${lease.task_id}.2`)?.finish?.outcome === "completed", "the other agent");
    frozen.child.kill("SIGCONT");
    await until(() => !isAlive(pid, statOf), "the end of the frozen agent's trainer");
    await until(() => readdirSync(join(dir, "state/tasks")).length === 0, "an empty state directory");
    expect(frozen.stderr()).toMatch(/stale_lease/);
    const { isStale: _stale, begun: _begun, ...after } = { ...api.only };
    expect(after).toMatchObject({
      data: before.data,
      logs: before.logs,
      committed: [],
      finish: null,
      release: null,
      seqs: before.seqs,
    });
    for (const { child, exited } of [frozen, other]) {
      child.kill("SIGTERM");
      expect(await exited).toBe(0);
    }
  });

  it("a second agent on the same state directory is refused while the first lives", async () => {
    const first = spawnAgent([]);
    await until(() => bench().api.claims.length > 0);
    const second = spawnAgent([]);
    expect(await second.exited).toBe(1);
    expect(second.stderr()).toMatch(/another agent \(process \d+\) uses/);
    first.child.kill("SIGTERM");
    expect(await first.exited).toBe(0);
  });
});

describe("leftovers", () => {
  /** A process in a session of its own, as a trainer is, with its record in the state directory. */
  function leaveBehind(name: string, change: { start_ticks?: string } = {}): number {
    const paths = statePaths(bench().dir);
    mkdirSync(join(paths.tasks, name), { recursive: true });
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" });
    children.push(child);
    const pid = child.pid ?? 0;
    const record = { pid, start_ticks: statOf(pid)?.startTicks, mark: `ANNEAL_TASK=${name}`, ...change };
    writeFileSync(join(paths.tasks, name, "process.json"), JSON.stringify(record));
    return pid;
  }

  it("ends a trainer that is surely ours, and spares a process that took over its number", async () => {
    const ours = leaveBehind("t1.1");
    const foreign = leaveBehind("t2.1", { start_ticks: "1" });
    const paths = statePaths(bench().dir);
    mkdirSync(join(paths.tasks, "t3.1/output"), { recursive: true });
    writeFileSync(join(paths.tasks, "t3.1/process.json"), "half writ");
    await clearLeftovers(paths, new TestLog());
    expect([isAlive(ours, statOf), isAlive(foreign, statOf)]).toEqual([false, true]);
    expect(readdirSync(paths.tasks)).toEqual([]);
  });

  it("takes over the directory of an agent that is gone", async () => {
    const paths = statePaths(bench().dir);
    writeFileSync(paths.lock, `${process.ppid} 1`);
    const leave = await takeStateDir(paths);
    expect(readFileSync(paths.lock, "utf8")).toMatch(new RegExp(`^${process.pid} `));
    await leave();
  });
});
