/** A child on a leash ends with its starter, however stubborn it is and however the starter ends. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../../scripts/env";
import { waitFor } from "../harness/jobs";
import { isAlive } from "../harness/processes";

/** Says its own and its child's id; neither minds SIGTERM. */
const STUBBORN = `
  process.on("SIGTERM", () => {});
  const child = require("node:child_process").spawn(process.execPath,
    ["-e", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { stdio: "ignore" });
  console.log(process.pid, child.pid);
  setInterval(() => {}, 1000);
`;
const GRACE_MS = "200";

/** Starts the stubborn pair as `holder` would, and gives all process ids. */
async function startPair(holderCode?: string): Promise<{ holder: ReturnType<typeof spawn>; pids: number[] }> {
  const leash = path.join(root, "scripts", "leash.mjs");
  const leashed = [leash, GRACE_MS, process.execPath, "-e", STUBBORN];
  const args = holderCode === undefined ? leashed : ["-e", holderCode, ...leashed];
  const holder = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  if (holder.stdout === null) throw new Error("stdout is a pipe");
  const [line] = (await once(holder.stdout.setEncoding("utf8"), "data")) as [string];
  return { holder, pids: line.trim().split(" ").map(Number) };
}

async function allGone(pids: number[]): Promise<void> {
  await waitFor("the end of the pair", 10_000, () => (pids.some(isAlive) ? null : true));
}

describe("the leash", () => {
  it("kills the whole group after the grace period when stdin closes", async () => {
    const { holder, pids } = await startPair();
    expect(pids.every(isAlive)).toBe(true);
    holder.stdin?.end();
    await allGone(pids);
  });

  it("does the same on SIGTERM", async () => {
    const { holder, pids } = await startPair();
    holder.kill("SIGTERM");
    await allGone(pids);
  });

  it("does the same when its starter is killed", async () => {
    const starter =
      'require("node:child_process").spawn(process.execPath, process.argv.slice(1), { stdio: ["pipe", "inherit", "inherit"], detached: true })';
    const { holder, pids } = await startPair(starter);
    holder.kill("SIGKILL");
    await allGone(pids);
  });

  it("passes on an exit code", async () => {
    const leash = path.join(root, "scripts", "leash.mjs");
    const child = spawn(process.execPath, [leash, GRACE_MS, process.execPath, "-e", "process.exit(7)"], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(7);
  });
});
