/** Bindings, and configuration parsed once. */
import { z } from "zod";
import { parseId } from "./domain/ids";
import { isLoopback } from "./domain/loopback";
import type { OutsideIssuer, QueueMessage, Settings, VerifyMessage } from "./domain/ports";
import type { AgentObjectRpc, EngineObjectRpc, JobObjectRpc, UploadObjectRpc } from "./objects/rpc";

export interface Env {
  DB: D1Database;
  BUCKET: R2Bucket;
  JOB: DurableObjectNamespace<JobObjectRpc>;
  AGENT: DurableObjectNamespace<AgentObjectRpc>;
  UPLOAD: DurableObjectNamespace<UploadObjectRpc>;
  ENGINE: DurableObjectNamespace<EngineObjectRpc>;
  DISPATCH: Queue<QueueMessage>;
  VERIFY: Queue<VerifyMessage>;
  ASSETS: Fetcher;
  ANNEAL_DEPLOYMENT?: string;
  ANNEAL_PUBLIC_URL?: string;
  ANNEAL_ADMIN_TOKEN?: string;
  ANNEAL_SIGNING_KEY?: string;
  ANNEAL_SUBSTITUTE_GPUS?: string;
  ANNEAL_HEARTBEAT_MS?: string;
  ANNEAL_LEASE_MS?: string;
  ANNEAL_RESUME_INTERVAL_MS?: string;
  ANNEAL_WAKE_WAIT_MS?: string;
  ANNEAL_INFERENCE_IDLE_MS?: string;
  ANNEAL_INFERENCE_TOTAL_MS?: string;
  ANNEAL_DEFAULT_GPU?: string;
  ANNEAL_MIN_ISOLATION?: string;
  ANNEAL_TRAINING_MODULE_OPEN?: string;
  ANNEAL_LISTEN_HOST?: string;
  ANNEAL_JWT_ISSUER?: string;
  ANNEAL_JWT_JWKS_URL?: string;
  ANNEAL_JWT_ALGORITHMS?: string;
  ANNEAL_JWT_AUDIENCE?: string;
  ANNEAL_JWT_ACCOUNT?: string;
}

const MIN_SECRET_BYTES = 32;
const secret = z.string().min(MIN_SECRET_BYTES, `must have at least ${String(MIN_SECRET_BYTES)} bytes`);
/** As the admin edge shows accounts. */
const ACCOUNT_PREFIX = "acct_";
const milliseconds = (byDefault: number) => z.coerce.number().int().min(1).default(byDefault);

const config = z.object({
  ANNEAL_DEPLOYMENT: z.string().default("production"),
  ANNEAL_PUBLIC_URL: z.url().optional(),
  ANNEAL_ADMIN_TOKEN: secret,
  ANNEAL_SIGNING_KEY: secret,
  ANNEAL_SUBSTITUTE_GPUS: z.stringbool().default(false),
  ANNEAL_HEARTBEAT_MS: milliseconds(10_000),
  ANNEAL_LEASE_MS: milliseconds(60_000),
  ANNEAL_RESUME_INTERVAL_MS: milliseconds(60_000),
  ANNEAL_WAKE_WAIT_MS: milliseconds(60_000),
  ANNEAL_INFERENCE_IDLE_MS: milliseconds(120_000),
  ANNEAL_INFERENCE_TOTAL_MS: milliseconds(600_000),
  ANNEAL_DEFAULT_GPU: z
    .string()
    .regex(/^[\w-]+:[1-9]\d?$/, "must look like L4-24GB:1")
    .default("L4-24GB:1"),
  /** By default 1, and 0 in dev. */
  ANNEAL_MIN_ISOLATION: z.coerce.number().int().min(0).max(3).optional(),
  /** The Training Module without API keys: for one tenant on its own machine. */
  ANNEAL_TRAINING_MODULE_OPEN: z.stringbool().default(false),
  /** The address that the worker is served on, told by whoever serves it; unset where that is the world. */
  ANNEAL_LISTEN_HOST: z.string().optional(),
  ANNEAL_JWT_ISSUER: z.string().min(1).optional(),
  ANNEAL_JWT_JWKS_URL: z.url().optional(),
  ANNEAL_JWT_ALGORITHMS: z
    .string()
    .regex(/^(ES|RS|PS)(256|384|512)(,(ES|RS|PS)(256|384|512))*$/, "must be a list such as ES256,RS256")
    .default("ES256"),
  ANNEAL_JWT_AUDIENCE: z.string().min(1).optional(),
  ANNEAL_JWT_ACCOUNT: z
    .string()
    .refine((text) => parseId(ACCOUNT_PREFIX, text) !== null, "is not the id of an account, such as acct_01k…")
    .optional(),
});

/** Null where no issuer is set. Throws when some of what belongs together is missing, or the keys could be forged on the way. */
function outsideIssuer(c: z.output<typeof config>, audience: string): OutsideIssuer | null {
  const { ANNEAL_JWT_ISSUER: issuer, ANNEAL_JWT_JWKS_URL: jwksUrl, ANNEAL_JWT_ACCOUNT: account } = c;
  if (issuer === undefined && jwksUrl === undefined && account === undefined) return null;
  const accountId = parseId(ACCOUNT_PREFIX, account ?? "");
  if (issuer === undefined || jwksUrl === undefined || accountId === null) {
    throw new Error("ANNEAL_JWT_ISSUER, ANNEAL_JWT_JWKS_URL and ANNEAL_JWT_ACCOUNT are set together or not at all");
  }
  const { protocol, hostname } = new URL(jwksUrl);
  const isLocal = c.ANNEAL_DEPLOYMENT === "dev" && protocol === "http:" && isLoopback(hostname);
  if (protocol !== "https:" && !isLocal) throw new Error("ANNEAL_JWT_JWKS_URL must begin with https:");
  const algorithms = c.ANNEAL_JWT_ALGORITHMS.split(",");
  return { issuer, jwksUrl, algorithms, audience: c.ANNEAL_JWT_AUDIENCE ?? audience, accountId };
}

export interface Config {
  deployment: string;
  /** Set when the deployment knows its own address; else the request's is used. */
  publicUrl: string | undefined;
  adminToken: string;
  signingKey: string;
  /** Never where anything but this machine can reach the worker. */
  isTrainingModuleOpen: boolean;
  /** `aud` of our JWTs. */
  audience: string;
  /** Whose JWTs are good here besides our own. */
  outsideIssuer: OutsideIssuer | null;
  settings: Settings;
}

const parsed = new WeakMap<Env, Config>();

/** Throws a sentence that names what is missing or wrong, and never a value. */
export function configOf(env: Env): Config {
  const known = parsed.get(env);
  if (known) return known;
  const result = config.safeParse(env);
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new Error(`the deployment is not configured: ${faults.join("; ")}`);
  }
  const c = result.data;
  const [gpuType = "", gpuCount = ""] = c.ANNEAL_DEFAULT_GPU.split(":");
  const audience = `anneal-${c.ANNEAL_DEPLOYMENT}`;
  const dev = c.ANNEAL_DEPLOYMENT === "dev";
  const made: Config = {
    deployment: c.ANNEAL_DEPLOYMENT,
    publicUrl: c.ANNEAL_PUBLIC_URL,
    adminToken: c.ANNEAL_ADMIN_TOKEN,
    signingKey: c.ANNEAL_SIGNING_KEY,
    isTrainingModuleOpen: c.ANNEAL_TRAINING_MODULE_OPEN && isLoopback(c.ANNEAL_LISTEN_HOST ?? ""),
    audience,
    outsideIssuer: outsideIssuer(c, audience),
    settings: {
      heartbeatMs: c.ANNEAL_HEARTBEAT_MS,
      leaseMs: c.ANNEAL_LEASE_MS,
      resumeIntervalMs: c.ANNEAL_RESUME_INTERVAL_MS,
      wakeWaitMs: c.ANNEAL_WAKE_WAIT_MS,
      inferenceIdleMs: c.ANNEAL_INFERENCE_IDLE_MS,
      inferenceTotalMs: c.ANNEAL_INFERENCE_TOTAL_MS,
      substituteGpus: c.ANNEAL_SUBSTITUTE_GPUS,
      defaultGpu: { type: gpuType, count: Number(gpuCount) },
      dev,
      minIsolation: c.ANNEAL_MIN_ISOLATION ?? (dev ? 0 : 1),
    },
  };
  parsed.set(env, made);
  return made;
}
