/** The control plane of one benchmark: the worker with the bare routes under `wrangler dev`, an account, its token. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { unstable_readConfig } from "wrangler";
import { apiClient, type ApiClient } from "../scripts/api";
import { startControlPlane } from "../scripts/control-plane";
import { root } from "../scripts/env";
import { freePort } from "../scripts/free-port";
import { createAccount, createAgentToken } from "../scripts/local-account";
import type { Options } from "./benchmark";

export interface Plane {
  url: string;
  apiKey: string;
  client: ApiClient;
  /** Good for many agents. */
  agentToken: string;
  /** For what is started beside it. */
  dir: string;
  /** Of the `wrangler dev` process; workerd is below it. */
  readonly pid: number;
  /** Ends it and starts it again over the same data: what workerd's memory had grown to is gone. */
  restart(): Promise<void>;
  /** Another account, with a client for it. */
  account(name: string): Promise<ApiClient>;
}

export interface PlaneOptions {
  variables?: Record<string, string>;
  cores?: string;
}

export async function withPlane<T>(
  options: Options,
  planeOptions: PlaneOptions,
  work: (plane: Plane) => Promise<T>,
): Promise<T> {
  const dir = mkdtempSync(path.join(options.workDir, "plane-"));
  const startOptions = { stateDir: dir, port: await freePort(), config: writeConfig(dir), ...planeOptions };
  let running = await startControlPlane(startOptions);
  try {
    const { url, adminToken } = running;
    const account = await createAccount(url, adminToken, "bench");
    const { token } = await createAgentToken(url, account.api_key);
    return await work({
      url,
      dir,
      apiKey: account.api_key,
      client: apiClient(url, account.api_key),
      agentToken: token,
      get pid() {
        return running.process.child.pid ?? 0;
      },
      async restart() {
        await running.stop();
        running = await startControlPlane({ ...startOptions, isMigrated: true });
      },
      account: async (name) => apiClient(url, (await createAccount(url, adminToken, name)).api_key),
    });
  } finally {
    await running.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The deployment's configuration with another entry and one more path that reaches it. */
function writeConfig(dir: string): string {
  const config = unstable_readConfig({ config: path.join(root, "wrangler.toml") });
  const workerFirst = config.assets?.run_worker_first;
  const file = path.join(dir, "wrangler.bench.json");
  const own = {
    ...config,
    main: path.join(root, "bench", "worker.ts"),
    assets: {
      ...config.assets,
      directory: path.join(root, "dashboard"),
      run_worker_first: [...(Array.isArray(workerFirst) ? workerFirst : []), "/bare/*"],
    },
  };
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, JSON.stringify(own));
  return file;
}
