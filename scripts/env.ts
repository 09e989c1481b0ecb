/** Where things are, and the environment that keeps wrangler quiet and offline (no prompts, no metrics, no look-ups). */
import { mkdirSync } from "node:fs";
import path from "node:path";

export const root = path.resolve(import.meta.dirname, "..");
export const bin = path.join(root, "node_modules", ".bin");

/** `.anneal` unless ANNEAL_STATE_DIR says otherwise; absolute, made when missing, readable by its owner only. */
export function stateDir(): string {
  const dir = path.resolve(process.env["ANNEAL_STATE_DIR"] ?? path.join(root, ".anneal"));
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return dir;
}

/** ANNEAL_PORT, 8787 by default. */
export function port(): number {
  const text = process.env["ANNEAL_PORT"] ?? "8787";
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65_535) {
    throw new Error(`ANNEAL_PORT must be a port number from 1 to 65535, and is "${text}"`);
  }
  return value;
}

/** Data of the project's surroundings that some tests read: ANNEAL_SHARED_DIR, `../shared` by default. */
export function sharedDir(): string {
  return path.resolve(root, process.env["ANNEAL_SHARED_DIR"] ?? "../shared");
}

/**
 * For every wrangler process. CLOUDFLARE_CF_FETCH_ENABLED stops a look-up of request metadata; X_LOCAL_OBSERVABILITY and
 * X_LOCAL_EXPLORER stop a trace collector that makes each request half again as slow. Without `logDir` wrangler would
 * write into the user's home.
 */
export function quietWranglerEnv(logDir: string): Record<string, string> {
  return {
    CI: "1",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_SEND_ERROR_REPORTS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_LOG: "warn",
    WRANGLER_LOG_PATH: path.join(logDir, "logs"),
    WRANGLER_REGISTRY_PATH: path.join(logDir, "registry"),
    X_LOCAL_OBSERVABILITY: "false",
    X_LOCAL_EXPLORER: "false",
  };
}

/** The clocks that tests shorten; passed on to the worker when they are set. */
export const CLOCK_VARIABLES = [
  "ANNEAL_HEARTBEAT_MS",
  "ANNEAL_LEASE_MS",
  "ANNEAL_RESUME_INTERVAL_MS",
  "ANNEAL_WAKE_WAIT_MS",
  "ANNEAL_INFERENCE_IDLE_MS",
  "ANNEAL_INFERENCE_TOTAL_MS",
] as const;

export function clockVariables(): Record<string, string> {
  return passedOn(CLOCK_VARIABLES);
}

/** The Training Module without API keys, for one person on one machine. */
export function openVariables(): Record<string, string> {
  return passedOn(["ANNEAL_TRAINING_MODULE_OPEN"]);
}

/** The one issuer besides ourselves whose JWTs are to be good (docs/security.md). */
export function issuerVariables(): Record<string, string> {
  const names = ["ISSUER", "JWKS_URL", "ACCOUNT", "ALGORITHMS", "AUDIENCE"];
  return passedOn(names.map((name) => `ANNEAL_JWT_${name}`));
}

function passedOn(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
