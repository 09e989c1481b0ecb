/**
 * The whole control plane on this machine: the worker under `wrangler dev`, with D1, R2, Durable Objects and queues whose
 * state is below `stateDir`. Secrets go in by a file of mode 0600, never by the command line. The scheduled handler never
 * fires by itself locally, so it is called here. Accepted loss: queued messages live in memory; the sweep heals that.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { prepareAssets } from "./assets";
import { bin, clockVariables, issuerVariables, openVariables, quietWranglerEnv, root } from "./env";
import { run, start, type Running } from "./processes";
import { readOrMakeSecrets } from "./secrets";

/** Production's cron is each minute; oftener here, because a person waits. */
const SCHEDULED_EVERY_MS = 10_000;
const READY_TIMEOUT_MS = 90_000;
const READY_POLL_MS = 100;
/** Nobody else's machine reaches it. */
const LISTEN_HOST = "127.0.0.1";
/** workerd drains open streams for minutes. */
const GRACE_MS = 5_000;

export interface ControlPlane {
  url: string;
  adminToken: string;
  process: Running;
  /** Calls the scheduled handler once, now. */
  runScheduled(): Promise<void>;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  stateDir: string;
  port: number;
  /** wrangler's configuration; the deployment's own unless a benchmark has one with more routes. */
  config?: string;
  /** Over the clocks of the environment. */
  variables?: Record<string, string>;
  /** Cores for all of it, as `taskset -c` names them. */
  cores?: string;
  /** The database is known to be migrated: a start again of the same version is quicker without that look. */
  isMigrated?: boolean;
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { stateDir, port } = options;
  const url = `http://${LISTEN_HOST}:${String(port)}`;
  const secrets = readOrMakeSecrets(stateDir);
  const envFile = path.join(stateDir, "worker.env");
  const logFile = path.join(stateDir, "control-plane.log");
  const env = quietWranglerEnv(path.join(stateDir, "wrangler"));
  prepareAssets();
  writeWorkerEnv(envFile, {
    ANNEAL_ADMIN_TOKEN: secrets.admin_token,
    ANNEAL_SIGNING_KEY: secrets.signing_key,
    ANNEAL_DEPLOYMENT: "dev",
    ANNEAL_SUBSTITUTE_GPUS: "true",
    ANNEAL_PUBLIC_URL: url,
    ANNEAL_LISTEN_HOST: LISTEN_HOST,
    ...openVariables(),
    ...issuerVariables(),
    ...clockVariables(),
    ...options.variables,
  });
  rmSync(logFile, { force: true });
  if (options.isMigrated !== true) await applyMigrations(stateDir, env);
  const [command = "", ...args] = pinned(options.cores, [
    path.join(bin, "wrangler"),
    ...wranglerArgs(options, envFile),
  ]);
  const worker = start("control plane", command, args, { env, logFile, graceMs: GRACE_MS });
  await waitForHealth(url, worker, logFile);
  const runScheduled = (): Promise<void> => callScheduled(url);
  const ticking = setInterval(() => {
    runScheduled().catch((error: unknown) => {
      console.error(`the scheduled handler failed: ${String(error)}`);
    });
  }, SCHEDULED_EVERY_MS);
  void worker.exited.then(() => {
    clearInterval(ticking);
  });
  return {
    url,
    adminToken: secrets.admin_token,
    process: worker,
    runScheduled,
    async stop() {
      clearInterval(ticking);
      await worker.stop();
    },
  };
}

/** The command on these cores alone; on all of them without. */
export function pinned(cores: string | undefined, command: string[]): string[] {
  return cores === undefined ? command : ["taskset", "-c", cores, ...command];
}

function wranglerArgs({ stateDir, port, config }: ControlPlaneOptions, envFile: string): string[] {
  return [
    "dev",
    ...["--config", config ?? path.join(root, "wrangler.toml")],
    ...["--ip", LISTEN_HOST, "--port", String(port), "--inspector-port", "0"],
    ...["--persist-to", path.join(stateDir, "data")],
    ...["--env-file", envFile],
    "--show-interactive-dev-session=false",
    ...["--log-level", "warn"],
  ];
}

function writeWorkerEnv(file: string, values: Record<string, string>): void {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
}

async function applyMigrations(stateDir: string, env: Record<string, string>): Promise<void> {
  const args = ["d1", "migrations", "apply", "DB", "--local", "--persist-to", path.join(stateDir, "data")];
  const outcome = await run(path.join(bin, "wrangler"), args, { env });
  if (outcome.code !== 0) throw new Error(`the database migrations failed:\n${outcome.stdout}\n${outcome.stderr}`);
}

async function waitForHealth(url: string, worker: Running, logFile: string): Promise<void> {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  let ended = false;
  void worker.exited.then(() => {
    ended = true;
  });
  for (;;) {
    // wrangler's proxy keeps a request until there is a worker, which a broken one never becomes.
    const signal = AbortSignal.timeout(READY_TIMEOUT_MS / 10);
    const healthy = await fetch(`${url}/healthcheck`, { signal }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (healthy && !ended) return;
    if (ended || Date.now() > deadlineMs) {
      const why = ended ? "ended" : `did not serve within ${String(READY_TIMEOUT_MS / 1000)} s`;
      const tail = readFileSync(logFile, "utf8").split("\n").slice(-30).join("\n");
      await worker.stop();
      throw new Error(`the control plane ${why}; the end of ${logFile}:\n${tail}`);
    }
    await sleep(READY_POLL_MS);
  }
}

async function callScheduled(url: string): Promise<void> {
  const response = await fetch(`${url}/cdn-cgi/local/scheduled?cron=*+*+*+*+*&format=json`);
  const body = await response.text();
  if (!response.ok) throw new Error(`${String(response.status)} ${body.slice(0, 200)}`);
}
