/** One agent on this machine, and the wait until the control plane knows it. */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { apiClient } from "./api";
import { start, type Running } from "./processes";

/** Drained, an agent tells its trainer to save, uploads that and gives the task back. */
const GRACE_MS = 30_000;
const REGISTER_TIMEOUT_MS = 120_000;
const POLL_MS = 200;

const agentList = z.object({ data: z.array(z.object({ id: z.string(), revoked_at: z.string().nullable() })) });

export interface LocalAgentOptions {
  url: string;
  token: string;
  stateDir: string;
  logFile: string;
  /** Of a trainer on CPU; torch's own choice when absent. */
  torchThreads?: number;
  /** Over our own environment. */
  env?: Record<string, string>;
}

/** ANNEAL_PYTHON must be set (python-env.ts). The token goes in by the environment, where other users do not see it. */
export function startLocalAgent(options: LocalAgentOptions): Running {
  const main = path.join("agent", "src", "main.ts");
  const args = ["--import", "tsx", main, "--url", options.url, "--state-dir", options.stateDir, "--name", "local"];
  return start("agent", process.execPath, args, {
    env: {
      ...options.env,
      ANNEAL_BOOTSTRAP_TOKEN: options.token,
      ...(options.torchThreads === undefined ? {} : { ANNEAL_TORCH_THREADS: String(options.torchThreads) }),
    },
    logFile: options.logFile,
    graceMs: GRACE_MS,
  });
}

export async function waitForAgent(agent: Running, url: string, apiKey: string): Promise<void> {
  const client = apiClient(url, apiKey);
  const deadlineMs = Date.now() + REGISTER_TIMEOUT_MS;
  let exitCode: number | null = null;
  void agent.exited.then((code) => {
    exitCode = code;
  });
  while (exitCode === null && Date.now() < deadlineMs) {
    const { data } = await client.get("/anneal/v1/agents?limit=100", agentList);
    if (data.some((one) => one.revoked_at === null)) return;
    await sleep(POLL_MS);
  }
  throw new Error(
    exitCode === null ? "the agent did not register in time" : `the agent ended with ${String(exitCode)}`,
  );
}
