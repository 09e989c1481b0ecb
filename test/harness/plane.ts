/** The whole worker in its own workerd, over real HTTP on a free port, for tests with real agents. Ephemeral. */
import { randomBytes } from "node:crypto";
import path from "node:path";
import { createTestHarness } from "wrangler";
import { apiClient, type ApiClient } from "../../scripts/api";
import { prepareAssets } from "../../scripts/assets";
import { quietWranglerEnv, root } from "../../scripts/env";
import { createAccount, createAgentToken, type LocalAccount } from "../../scripts/local-account";

export interface TestPlane {
  url: string;
  account(name: string): Promise<TestAccount>;
  /** As cron would. */
  runScheduled(): Promise<void>;
  /** Deploys the worker anew with these variables besides those that it has; what is stored stays. */
  setVars(vars: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

export interface TestAccount extends LocalAccount {
  client: ApiClient;
  /** Good for many agents. */
  agentToken: string;
}

export interface Clocks {
  heartbeatMs: number;
  leaseMs: number;
  resumeIntervalMs: number;
}

export async function startPlane(clocks: Clocks): Promise<TestPlane> {
  Object.assign(process.env, quietWranglerEnv(path.join(root, ".wrangler")));
  prepareAssets();
  const adminToken = randomBytes(32).toString("hex");
  const secrets = { ANNEAL_ADMIN_TOKEN: adminToken, ANNEAL_SIGNING_KEY: randomBytes(32).toString("hex") };
  const options = (more: Record<string, string>) => ({
    root,
    workers: [
      {
        configPath: "./wrangler.toml",
        secrets,
        vars: {
          ANNEAL_DEPLOYMENT: "dev",
          ANNEAL_SUBSTITUTE_GPUS: "true",
          ANNEAL_HEARTBEAT_MS: String(clocks.heartbeatMs),
          ANNEAL_LEASE_MS: String(clocks.leaseMs),
          ANNEAL_RESUME_INTERVAL_MS: String(clocks.resumeIntervalMs),
          ...more,
        },
      },
    ],
  });
  const harness = createTestHarness(options({}));
  const { url: listening } = await harness.listen();
  const url = listening.origin;
  const worker = harness.getWorker();
  await worker.applyD1Migrations("DB");
  return {
    url,
    async account(name) {
      const account = await createAccount(url, adminToken, name);
      const { token } = await createAgentToken(url, account.api_key);
      return { ...account, client: apiClient(url, account.api_key), agentToken: token };
    },
    async runScheduled() {
      await worker.scheduled({ cron: "* * * * *", scheduledTime: new Date() });
    },
    setVars: (vars) => harness.update(options(vars)),
    close: () => harness.close(),
  };
}
