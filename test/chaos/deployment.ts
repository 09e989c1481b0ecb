/** The whole that is struck: a control plane on disk, an account, some machines with an agent each. */
import { setTimeout as sleep } from "node:timers/promises";
import { apiClient, type ApiClient } from "../../scripts/api";
import { freePort } from "../../scripts/free-port";
import { createAccount, createAgentToken } from "../../scripts/local-account";
import { stopAll } from "../../scripts/processes";
import { commandsWith } from "../harness/processes";
import { AgentHost } from "./agent-host";
import { MortalPlane } from "./control-plane";

/** Children of ended processes need a moment. */
const LEFTOVER_GRACE_MS = 10_000;

export interface Clocks {
  heartbeatMs: number;
  leaseMs: number;
  resumeIntervalMs: number;
}

export interface DeploymentOptions {
  /** An empty folder. */
  dir: string;
  hosts: number;
  clocks: Clocks;
  /** Of the worker, and of the agents. */
  variables?: Record<string, string>;
  agentEnv?: Record<string, string>;
}

export class Deployment {
  private constructor(
    readonly dir: string,
    readonly plane: MortalPlane,
    readonly hosts: AgentHost[],
    readonly client: ApiClient,
    readonly apiKey: string,
  ) {}

  static async start({ dir, clocks, ...options }: DeploymentOptions): Promise<Deployment> {
    const variables = {
      ANNEAL_HEARTBEAT_MS: String(clocks.heartbeatMs),
      ANNEAL_LEASE_MS: String(clocks.leaseMs),
      ANNEAL_RESUME_INTERVAL_MS: String(clocks.resumeIntervalMs),
      ...options.variables,
    };
    const plane = await MortalPlane.start({ stateDir: dir, port: await freePort(), variables });
    const account = await createAccount(plane.url, plane.adminToken, "chaos");
    const { token } = await createAgentToken(plane.url, account.api_key);
    const hosts = Array.from(
      { length: options.hosts },
      (_, index) => new AgentHost(`host${String(index + 1)}`, { url: plane.url, token, dir, env: options.agentEnv }),
    );
    await Promise.all(hosts.map((host) => host.start(true)));
    return new Deployment(dir, plane, hosts, apiClient(plane.url, account.api_key), account.api_key);
  }

  /** Ends the agents, then the control plane; what still runs of them after that is told. */
  async stop(): Promise<string[]> {
    await Promise.all(this.hosts.map((host) => host.stop()));
    await this.plane.stop();
    await stopAll();
    for (const deadlineMs = Date.now() + LEFTOVER_GRACE_MS; ; await sleep(200)) {
      const left = commandsWith(this.dir);
      if (left.length === 0 || Date.now() > deadlineMs) return left.map((command) => `left running: ${command}`);
    }
  }
}
