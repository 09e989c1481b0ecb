/** A machine with one agent on it, whose agent and trainer can be killed or frozen and started again. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { startLocalAgent } from "../../scripts/local-agent";
import type { Running } from "../../scripts/processes";
import { childrenOf, commandOf, isAlive } from "../harness/processes";
import { waitFor } from "../harness/jobs";

/** The leash spawns the agent in milliseconds, on a busy machine in a second or two. */
const SPAWN_TIMEOUT_MS = 30_000;

const processFile = z.object({ pid: z.number() });

/** What the host works on: a lease's folder in the agent's state directory. */
export interface HostTask {
  jobId: string;
  epoch: number;
  /** null while inputs are fetched. */
  trainerPid: number | null;
}

export class AgentHost {
  #agent: Running | null = null;
  #agentPid = 0;
  #life = 0;
  #stateDir = "";
  isFrozen = false;

  constructor(
    readonly name: string,
    private readonly options: { url: string; token: string; dir: string; env?: Record<string, string> },
  ) {}

  get isUp(): boolean {
    return this.#agent !== null;
  }

  /** A fresh state directory is a new machine: the agent registers anew and knows nothing of its forerunner. */
  async start(isFresh: boolean): Promise<void> {
    const { url, token, dir, env } = this.options;
    if (isFresh || this.#stateDir === "") {
      this.#life += 1;
      this.#stateDir = path.join(dir, `${this.name}-${String(this.#life)}`);
    }
    const logFile = path.join(dir, `${this.name}.log`);
    const agent = startLocalAgent({ url, token, stateDir: this.#stateDir, logFile, torchThreads: 1, env });
    this.#agentPid = await waitFor("an agent's process", SPAWN_TIMEOUT_MS, () => {
      const found = childrenOf(agent.child.pid ?? 0).find((pid) => commandOf(pid).includes("agent/src/main.ts"));
      return found ?? null;
    });
    this.#agent = agent;
  }

  /** The task that runs here, if any; its folder stays while the agent is dead. */
  task(): HostTask | null {
    const tasks = path.join(this.#stateDir, "tasks");
    if (!this.isUp || !existsSync(tasks)) return null;
    // Beside leases there is the folder of a trainer that waits for one.
    const [, lease, taskId, epoch] =
      readdirSync(tasks)
        .map((name) => /^((\w+)\.(\d+))$/.exec(name))
        .find(Boolean) ?? [];
    if (lease === undefined || taskId === undefined) return null;
    return { jobId: `job_${taskId}`, epoch: Number(epoch), trainerPid: trainerOf(path.join(tasks, lease)) };
  }

  /** Process ids of its model servers. */
  servers(): number[] {
    return this.isUp ? childrenOf(this.#agentPid).filter((pid) => commandOf(pid).includes("anneal_server")) : [];
  }

  async kill(): Promise<void> {
    const agent = this.#agent;
    if (agent === null) return;
    this.#agent = null;
    process.kill(this.#agentPid, "SIGKILL");
    await agent.exited;
  }

  freeze(): void {
    process.kill(this.#agentPid, "SIGSTOP");
    this.isFrozen = true;
  }

  thaw(): void {
    this.isFrozen = false;
    if (this.isUp) process.kill(this.#agentPid, "SIGCONT");
  }

  async stop(): Promise<void> {
    if (this.isFrozen) this.thaw();
    await this.#agent?.stop();
    this.#agent = null;
  }
}

/** The file is written in one go, yet not at once with the folder; a half of it is a trainer that has just begun. */
function trainerOf(taskDir: string): number | null {
  const file = path.join(taskDir, "process.json");
  try {
    const { pid } = processFile.parse(JSON.parse(readFileSync(file, "utf8")));
    return isAlive(pid) ? pid : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
