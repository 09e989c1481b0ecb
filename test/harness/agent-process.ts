/** A real agent as its own process, with the real trainer below it. No leash: tests kill and freeze it as they like. */
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { root } from "../../scripts/env";
import { childrenOf, commandOf } from "./processes";

export interface AgentProcess {
  pid: number;
  /** What it has logged so far. */
  log(): string;
  /** Process ids of its trainers: the leaders of the groups that it has spawned. */
  trainers(): number[];
  signal(name: NodeJS.Signals): void;
  exited: Promise<number | null>;
  /** SIGKILL when it still lives, and its state is removed. */
  dispose(): Promise<void>;
}

export function startAgent(options: { url: string; token: string; name: string; args?: string[] }): AgentProcess {
  const home = mkdtempSync(path.join(os.tmpdir(), `anneal-agent-${options.name}-`));
  const logFile = path.join(home, "agent.log");
  const output = openSync(logFile, "a");
  const args = ["--import", "tsx", path.join("agent", "src", "main.ts")];
  const where = ["--url", options.url, "--state-dir", path.join(home, "state"), "--name", options.name];
  const child = spawn(process.execPath, [...args, ...where, ...(options.args ?? [])], {
    cwd: root,
    // A waiting trainer would be counted with the trainers, and two cores have better things to do.
    env: { ANNEAL_WARM_TRAINER: "0", ...process.env, ANNEAL_BOOTSTRAP_TOKEN: options.token, ANNEAL_TORCH_THREADS: "1" },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const { pid } = child;
  if (pid === undefined) throw new Error("the agent could not be started");
  const exited = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return {
    pid,
    log: () => readFileSync(logFile, "utf8"),
    trainers: () => childrenOf(pid).filter((one) => commandOf(one).includes("anneal_trainer")),
    signal: (name) => process.kill(pid, name),
    exited,
    async dispose() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await exited;
      }
      rmSync(home, { recursive: true, force: true });
    },
  };
}
