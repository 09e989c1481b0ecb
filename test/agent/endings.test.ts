import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { decideEnding, type EndOfTraining } from "../../agent/src/decide-ending";
import { sessionMembers, statOf } from "../../agent/src/process-table";
import { addTask, ending, isAlive, start, started, until, useBench, type Bench, type Operation } from "./support";

const bench = useBench();

const noFilesLeft = ({ dir }: Bench): void => expect(readdirSync(join(dir, "state/tasks"))).toEqual([]);

/** A number that a script has printed, such as its process id. */
async function printed({ api }: Bench, what: string): Promise<number> {
  const line = (): string | undefined =>
    [...api.leases.values()][0]?.logs.map(({ line: text }) => text).find((text) => text.startsWith(`${what} `));
  await until(() => line() !== undefined, `the line of ${what}`);
  return Number(line()?.split(" ")[1]);
}

describe("what the worker says", () => {
  it("cancel in a heartbeat's answer ends the trainer and its children, and is confirmed", async () => {
    const { api } = bench();
    addTask(api);
    const script = [
      started,
      { op: "spawn_child" },
      { op: "tell_pid" },
      { op: "on_term", action: "exit" },
      { op: "wait" },
    ];
    const agent = start(bench(), script);
    const [pid, child] = [await printed(bench(), "pid"), await printed(bench(), "child")];
    expect(sessionMembers(pid).sort()).toEqual([pid, child].sort());
    api.only.directive = "cancel";
    expect(await agent.done).toBe(1);
    expect(api.only.finish).toEqual({ outcome: "cancelled" });
    expect([pid, child].filter((one) => isAlive(one, statOf))).toEqual([]);
    noFilesLeft(bench());
  });

  it("a cancel over the socket is acted on before the next beat is due", async () => {
    const { api } = bench();
    const lease = addTask(api, { heartbeat_ms: 60_000 });
    const agent = start(bench(), [started, { op: "on_term", action: "exit" }, { op: "wait" }]);
    await until(() => api.sockets.length === 1 && [...api.leases.values()][0]?.data.length === 1);
    // Only the beat's answer counts, so this one alone does nothing.
    api.push({ type: "cancel", lease_id: lease.lease_id });
    await until(() => api.only.heartbeats === 1);
    api.only.directive = "cancel";
    api.push({ type: "cancel", lease_id: lease.lease_id });
    expect(await agent.done).toBe(1);
    expect(api.only.finish).toEqual({ outcome: "cancelled" });
  });

  it("pause saves a resume checkpoint and gives the task back", async () => {
    const { api } = bench();
    addTask(api);
    const agent = start(bench(), [started, { op: "train", to: 3 }, { op: "wait" }]);
    await until(() => [...api.leases.values()][0]?.lastStep === 3);
    api.only.directive = "pause";
    expect(await agent.done).toBe(1);
    expect(api.only.committed.map(({ kind, step }) => [kind, step])).toEqual([["resume", 3]]);
    expect(api.only.committed[0]?.files.map(({ path }) => path)).toEqual(["rng/rng_state.pth", "state.json"]);
    expect(api.only.release).toMatchObject({ reason: "preempted" });
    noFilesLeft(bench());
  });

  it("lost ends the trainer and writes nothing more", async () => {
    const { api } = bench();
    addTask(api);
    const agent = start(bench(), [started, { op: "tell_pid" }, { op: "on_term", action: "ignore" }, { op: "wait" }]);
    const pid = await printed(bench(), "pid");
    api.only.directive = "lost";
    expect(await agent.done).toBe(1);
    expect(isAlive(pid, statOf)).toBe(false);
    expect([api.only.finish, api.only.release, api.only.committed]).toEqual([null, null, []]);
    noFilesLeft(bench());
  });
});

describe("how a trainer ends", () => {
  const cases: [string, Operation[], Record<string, unknown>][] = [
    [
      "says that it failed",
      [
        started,
        { op: "err", text: "Traceback: out of memory\n" },
        { op: "line", line: { type: "failed", reason: "out_of_memory", message: "the batch does not fit" } },
        { op: "exit", code: 1 },
      ],
      { reason: "out_of_memory", message: "the batch does not fit", log_tail: ["Traceback: out of memory"] },
    ],
    ["is killed", [started, { op: "kill_self", signal: "SIGKILL" }], { reason: "trainer_killed" }],
    ["exits with an error", [started, { op: "exit", code: 3 }], { reason: "trainer_error" }],
    ["exits 0 without a word", [started, { op: "train", to: 2 }, { op: "exit", code: 0 }], { reason: "no_checkpoint" }],
    ["finishes without a model", [started, { op: "finished" }], { reason: "no_checkpoint" }],
    [
      "names a folder that is not its own",
      [
        started,
        {
          op: "line",
          line: {
            type: "checkpoint",
            kind: "final",
            step: 1,
            epoch: 1,
            dir: "/etc",
            world_size: 1,
            torch_threads: 1,
            versions: {},
          },
        },
        { op: "finished" },
      ],
      { reason: "upload_failed", message: expect.stringContaining("not in the output") },
    ],
  ];
  it.each(cases)("%s", async (_name, script, expected) => {
    const { api } = bench();
    addTask(api);
    expect(await start(bench(), script).done).toBe(1);
    expect(api.only.finish).toMatchObject({ outcome: "failed", ...expected });
    noFilesLeft(bench());
  });

  it("keeps the last lines of a failed job, the quota notwithstanding", async () => {
    const { api } = bench();
    const lease = addTask(api);
    lease.limits.log_bytes = 100;
    const lines = Array.from({ length: 60 }, (_, index) => `last words ${index}\n`).join("");
    await start(bench(), [started, { op: "err", text: lines }, { op: "exit", code: 1 }]).done;
    const finish = api.only.finish;
    const tail = finish?.outcome === "failed" ? finish.log_tail : [];
    expect(tail).toEqual(Array.from({ length: 20 }, (_, index) => `last words ${40 + index}`));
  });

  it("takes with it what it started, even where that holds its output", async () => {
    const { api } = bench();
    addTask(api);
    expect(await start(bench(), [started, { op: "spawn_child" }, ...ending]).done).toBe(0);
    const child = Number(api.only.logs[0]?.line.split(" ")[1]);
    expect(isAlive(child, statOf)).toBe(false);
  });
});

describe("what this machine cannot do", () => {
  it("gives the task back when the trainer cannot be started", async () => {
    const { api } = bench();
    addTask(api);
    const command = { command: "/nowhere/python3", args: [], pythonPath: "" };
    expect(await start(bench(), [], { command }).done).toBe(1);
    expect(api.only.release).toMatchObject({ reason: "setup_failed", message: expect.stringContaining("ENOENT") });
    expect(existsSync(join(bench().dir, "state/agent.lock"))).toBe(false);
  });

  it("fails with download_failed when an input is not what was promised", async () => {
    const { api } = bench();
    const lease = addTask(api);
    if (lease.inputs.dataset) lease.inputs.dataset.sha256 = "0".repeat(64);
    expect(await start(bench(), []).done).toBe(1);
    expect(api.only.finish).toMatchObject({
      outcome: "failed",
      reason: "download_failed",
      message: expect.stringMatching(/^dataset: SHA-256 is/),
    });
    noFilesLeft(bench());
  });
});

describe("decideEnding", () => {
  const base: EndOfTraining = {
    wish: "continue",
    exit: { code: 0, signal: null, asked: false },
    record: { finished: null, stopped: null, failed: null },
    hasFinal: false,
    uploadFailure: null,
    hang: null,
    logTail: [],
  };
  const finished = {
    ...base,
    record: { ...base.record, finished: { type: "finished", step: 9 } as const },
    hasFinal: true,
  };

  it("completes a job that finished while the agent was asked to stop", () => {
    expect(decideEnding({ ...finished, wish: "drain" })).toEqual({
      kind: "finish",
      body: { outcome: "completed", step: 9 },
    });
  });

  it("lets cancel and lost decide over everything", () => {
    expect(decideEnding({ ...finished, wish: "cancel" })).toEqual({ kind: "finish", body: { outcome: "cancelled" } });
    expect(decideEnding({ ...finished, wish: "lost" })).toEqual({ kind: "lost" });
  });

  it("calls an upload that failed by its name, whatever the trainer said", () => {
    const end = decideEnding({ ...finished, hasFinal: false, uploadFailure: new Error("storage is gone") });
    expect(end).toMatchObject({ body: { reason: "upload_failed" } });
  });

  it("calls a trainer that was killed for hanging by that, unless it had said its end or the task is given back", () => {
    const hung = { ...base, hang: "nowhere", exit: { code: null, signal: "SIGKILL", asked: true } as const };
    expect(decideEnding(hung)).toMatchObject({ body: { outcome: "failed", reason: "hang", message: "nowhere" } });
    expect(decideEnding({ ...hung, wish: "drain" })).toMatchObject({ kind: "release" });
    expect(decideEnding({ ...finished, hang: "nowhere" })).toMatchObject({ body: { outcome: "completed" } });
  });

  it("gives back a task whose trainer had to be killed while draining", () => {
    const exit = { code: null, signal: "SIGKILL", asked: true } as const;
    expect(decideEnding({ ...base, wish: "drain", exit })).toMatchObject({ kind: "release" });
    expect(decideEnding({ ...base, exit: { ...exit, asked: false } })).toMatchObject({
      body: { reason: "trainer_killed" },
    });
  });
});
