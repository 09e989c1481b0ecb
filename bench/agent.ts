/** Real agents of a plane, each as a process of its own on a leash. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { pinned } from "../scripts/control-plane";
import { root } from "../scripts/env";
import { start } from "../scripts/processes";
import { childrenOf } from "../test/harness/processes";
import type { Plane } from "./plane";

const GRACE_MS = 5_000;
const REGISTER_TIMEOUT_MS = 120_000;
const POLL_MS = 20;

/** For `env`: a trainer that only tells the time (trainers/anneal_trainer). */
export const TIMING_TRAINER = {
  ANNEAL_TRAINER_DIR: path.join(root, "bench", "trainers"),
  ANNEAL_WARM_TRAINER: "0",
};

export interface Agent {
  /** As the API has it. */
  id: string;
  /** Of its process, or of the one above it. */
  pid: number;
  /** Of the lease that runs; null when none does. */
  taskDir(): string | null;
  /** What it has logged so far. */
  log(): string;
  /** SIGKILL to the agent alone, as a host that goes. */
  kill(): void;
  stop(): Promise<void>;
}

export interface AgentStart {
  name: string;
  /** ANNEAL_PYTHON at the least, unless the environment has it. */
  env?: Record<string, string>;
  cores?: string;
}

/** Starts it and waits until it is registered. */
export async function startAgent(plane: Plane, { name, env, cores }: AgentStart): Promise<Agent> {
  const stateDir = path.join(plane.dir, `agent-${name}`);
  const main = ["--import", "tsx", path.join("agent", "src", "main.ts")];
  const where = ["--url", plane.url, "--state-dir", stateDir, "--name", name];
  const logFile = path.join(plane.dir, `agent-${name}.log`);
  const [command = "", ...args] = pinned(cores, [process.execPath, ...main, ...where]);
  const running = start(`agent ${name}`, command, args, {
    env: { ANNEAL_TORCH_THREADS: "1", ...env, ANNEAL_BOOTSTRAP_TOKEN: plane.agentToken },
    logFile,
    graceMs: GRACE_MS,
  });
  return {
    id: await registeredId(plane, name),
    pid: running.child.pid ?? 0,
    taskDir: () => leaseFolder(path.join(stateDir, "tasks")),
    log: () => readFileSync(logFile, "utf8"),
    kill: () => {
      for (const pid of childrenOf(running.child.pid ?? 0)) process.kill(pid, "SIGKILL");
    },
    stop: () => running.stop(),
  };
}

const agents = z.object({ data: z.array(z.object({ id: z.string(), name: z.string() })) });

async function registeredId(plane: Plane, name: string): Promise<string> {
  const deadlineMs = Date.now() + REGISTER_TIMEOUT_MS;
  while (Date.now() < deadlineMs) {
    const { data } = await plane.client.get("/anneal/v1/agents?limit=100", agents);
    const found = data.find((agent) => agent.name === name);
    if (found) return found.id;
    await sleep(100);
  }
  throw new Error(`the agent ${name} did not register`);
}

/** A trainer that waits for a task has a folder too. */
function leaseFolder(dir: string): string | null {
  const [first] = existsSync(dir) ? readdirSync(dir).filter((name) => !name.startsWith("warm-")) : [];
  return first === undefined ? null : path.join(dir, first);
}

/** Looks closely until `find` finds something. */
export async function until<T>(what: string, timeoutMs: number, find: () => Promise<T | null> | T | null): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const found = await find();
    if (found !== null) return found;
    if (Date.now() > deadlineMs) throw new Error(`waited ${String(timeoutMs / 1000)} s in vain for ${what}`);
    await sleep(POLL_MS);
  }
}
