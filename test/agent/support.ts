/** What the agent's tests share: a lease for the agent API server, an agent with the scripted trainer, waiting. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect } from "vitest";
import { systemClock, type Clock } from "../../agent/src/clock";
import { startAgent, type AgentOptions, type RunningAgent } from "../../agent/src/container";
import type { Log } from "../../agent/src/log";
import { createRetrier } from "../../agent/src/retry";
import type { Lease } from "../../protocol";
import { AgentApiServer } from "../harness/agent-api-server";

export const SCRIPTED_TRAINER = fileURLToPath(new URL("../harness/scripted-trainer.mjs", import.meta.url).href);

const SCRIPTED_SERVER = fileURLToPath(new URL("../harness/scripted-server.mjs", import.meta.url).href);

/** It tells in its detail which private paths it was to try. */
const SCRIPTED_CANARY =
  'console.log(JSON.stringify({ level: 1, detail: "scripted: " + process.argv.slice(1).join(" ") }))';

export type Operation = { op: string } & Record<string, unknown>;

/** Time that passes only by being slept: every sleep is over at the next turn of the event loop. */
export class LeapingClock implements Clock {
  nowMs = 1_000_000;
  readonly slept: number[] = [];

  now(): number {
    return this.nowMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    this.slept.push(ms);
    this.nowMs += ms;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Real time, so many times as fast. */
export const fasterClock = (times: number): Clock => ({
  now: () => systemClock.now() * times,
  sleep: (ms, signal) => systemClock.sleep(ms / times, signal),
});

/** Full waits, no chance. */
export const leapingRetrier = (clock: Clock) => createRetrier(clock, () => 1);

export class TestLog implements Log {
  readonly lines: string[] = [];
  info(message: string): void {
    if (process.env["ANNEAL_TEST_LOG"]) console.error(Date.now() % 100000, message);
    this.lines.push(message);
  }
  warn(message: string): void {
    if (process.env["ANNEAL_TEST_LOG"]) console.error(Date.now() % 100000, "warning:", message);
    this.lines.push(`warning: ${message}`);
  }
}

export interface Bench {
  readonly api: AgentApiServer;
  readonly dir: string;
  readonly log: TestLog;
}

/** A server and a folder for each test of the file; no violation of the protocol is left unseen. */
export function useBench(): () => Bench {
  let bench: Bench | null = null;
  beforeEach(async () => {
    const dir = mkdtempSync(join(tmpdir(), "anneal-agent-test-"));
    bench = { api: await AgentApiServer.start(), dir, log: new TestLog() };
  });
  afterEach(async () => {
    const { api, dir } = current();
    await api.stop();
    rmSync(dir, { recursive: true, force: true });
    expect(api.violations).toEqual([]);
  });
  const current = (): Bench => {
    if (!bench) throw new Error("no test is running");
    return bench;
  };
  return current;
}

/** A task in the server's queue. */
export function addTask(api: AgentApiServer, changes: Partial<Lease> = {}): Lease {
  const number = randomBytes(4).toString("hex");
  const dataset = api.files.offer(Buffer.from('{"prompt":"1+1="}\n'));
  const reward = api.files.offer(Buffer.from("def reward_fn(completions, **kwargs):\n    return [1.0]\n"));
  const lease: Lease = {
    lease_id: `task${number}.1`,
    task_id: `task${number}`,
    kind: "train",
    job_id: `job_${number}`,
    epoch: 1,
    attempt: 1,
    slot_id: "cpu",
    expires_at_ms: Date.now() + 1000,
    heartbeat_ms: 20,
    lease_ms: 1000,
    spec: grpoSpec(),
    base_model: { kind: "builtin", name: "anneal/tiny-llama" },
    inputs: {
      dataset: { ...dataset, format: "prompt", name: "Questions.JSONL" },
      functions: [{ ...reward, id: "rf_1", name: "reward", format: "trl", weight: 1 }],
      base_checkpoint: null,
      resume: null,
    },
    limits: {
      resume_interval_ms: 60_000,
      log_bytes: 1024 * 1024 * 1024,
      log_bytes_per_second: 256 * 1024,
      user_code: { timeout_seconds: 10, memory_bytes: 1_000_000_000, output_bytes: 1_000_000 },
    },
    ...changes,
  };
  api.queue.push(lease);
  return lease;
}

function grpoSpec(): Lease["spec"] {
  return {
    version: 1,
    method: "grpo",
    base_model: { kind: "builtin", name: "anneal/tiny-llama" },
    dataset_id: "ds_1",
    output_name: "out",
    gpu: { type: "L4-24GB", count: 1 },
    provider: null,
    functions: [{ id: "rf_1", weight: 1 }],
    hyperparameters: {
      learning_rate: 1e-4,
      num_epochs: 1,
      max_steps: 5,
      seed: 1,
      rollouts_per_prompt: 2,
      kl_coef: 0,
      max_prompt_length: 64,
      max_response_length: 8,
      global_batch_size: 4,
    },
  };
}

export function agentOptions({ api, dir, log }: Bench, script?: Operation[]): AgentOptions {
  return {
    url: api.url,
    bootstrapToken: api.bootstrapToken,
    stateDir: join(dir, "state"),
    name: "test agent",
    version: "0",
    once: true,
    command: {
      command: process.execPath,
      args: script ? [SCRIPTED_TRAINER, JSON.stringify(script)] : [SCRIPTED_TRAINER],
      pythonPath: "/nowhere",
    },
    servers: { small: { command: process.execPath, args: [SCRIPTED_SERVER], pythonPath: "/nowhere" }, vllm: null },
    canary: { command: process.execPath, args: ["-e", SCRIPTED_CANARY], pythonPath: "/nowhere" },
    env: { PATH: process.env["PATH"], HOME: dir },
    torchThreads: null,
    warmTrainer: false,
    cacheBytes: null,
    clock: systemClock,
    log,
    random: () => 0,
  };
}

export function start(bench: Bench, script?: Operation[], changes: Partial<AgentOptions> = {}): RunningAgent {
  return startAgent({ ...agentOptions(bench, script), ...changes });
}

export const started: Operation = { op: "started", total: 5 };
export const ending: Operation[] = [{ op: "checkpoint", kind: "final" }, { op: "finished" }];

/** Waits for what other processes do; fails with the last state of the condition. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  for (let turns = 0; turns < 1500; turns += 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${what} did not come true in 15 s`);
}

/** Signal 0 reaches zombies too, and only /proc tells them apart. */
export function isAlive(pid: number, stat: (pid: number) => { isZombie: boolean } | null): boolean {
  const found = stat(pid);
  return found !== null && !found.isZombie;
}
