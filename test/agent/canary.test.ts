/** What an agent says of its host's isolation when it registers, and what it does where there is none. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findIsolation } from "../../agent/src/canary";
import { addTask, ending, start, started, useBench } from "./support";

const bench = useBench();

/** A canary of one line of JavaScript. */
const scripted = (code: string) => ({ command: process.execPath, args: ["-e", code, "--"], pythonPath: "/nowhere" });

describe("the canary", () => {
  it("is told of the agent's private paths, and what it found is what the agent registers with", async () => {
    const { api, dir } = bench();
    addTask(api);
    expect(await start(bench(), [started, ...ending]).done).toBe(0);
    const names = ["identity.json", "tasks", "cache/files", "cache/hub"];
    const detail = `scripted: ${names.map((name) => join(dir, "state", name)).join(" ")}`;
    expect(api.registrations[0]?.isolation).toEqual({ level: 1, detail });
    for (const name of names.slice(1)) expect(statSync(join(dir, "state", name)).mode & 0o777).toBe(0o700);
  });

  it.each([
    ["finds no confinement", scripted(`console.log('{"level":null,"detail":"seccomp: Invalid argument"}')`), "seccomp"],
    ["says something else", scripted("console.log('level 3')"), "the canary broke"],
    ["says a level that there is not", scripted(`console.log('{"level":7,"detail":""}')`), "the canary broke"],
    ["ends badly", scripted("process.exit(1)"), "the canary broke"],
    ["is not there", { command: "/nowhere/python3", args: [], pythonPath: "" }, "ENOENT"],
  ])("that %s keeps the agent from registering", async (_, canary, words) => {
    const running = start(bench(), [], { canary }).done;
    await expect(running).rejects.toThrow(/user code cannot be confined on this host, so it takes no jobs/);
    await expect(running).rejects.toThrow(words);
    expect(bench().api.registrations).toEqual([]);
  });

  it("in earnest proves a level on this host, or says what is missing to the next", async () => {
    const canary = {
      command: process.env["ANNEAL_PYTHON"] ?? "python3",
      args: ["-m", "anneal_trainer.canary"],
      pythonPath: fileURLToPath(new URL("../../agent/trainer", import.meta.url).href),
    };
    const { level, detail } = await findIsolation({ canary, env: process.env, privatePaths: [bench().dir] });
    if (process.getuid?.() !== 0)
      expect({ level, detail }).toEqual({ level: 0, detail: expect.stringMatching("root") });
    else expect(detail).toMatch(level === 2 ? /^nothing got through of \d+ attempts/ : /Landlock|uid|users/);
  }, 30_000);
});
