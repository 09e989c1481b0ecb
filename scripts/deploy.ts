/**
 * `npm run deploy`: the worker and its data on your own Cloudflare account, in this order: resources that are missing,
 * migrations (append-only, so the running worker goes on), the agent's release to R2, the worker with its secrets.
 * Nothing is sent before the secrets are known to be good. `-- --dry-run` works offline: it builds everything, checks
 * the size and says what would happen. `-- --keep-secrets` leaves those that the deployed worker has.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { prepareAssets } from "./assets";
import { packAgent } from "./deploy/agent-release";
import { wranglerClient } from "./deploy/cloudflare";
import { readDeployConfig, writeDeployConfig } from "./deploy/config";
import { root } from "./env";
import { MIN_SECRET_BYTES } from "./secrets";

/** What a paid plan takes, compressed; a bundle that nears it has swallowed something by mistake. */
const MAX_BUNDLE_GZIP_BYTES = 10 * 1024 * 1024;
const SECRETS = ["ANNEAL_ADMIN_TOKEN", "ANNEAL_SIGNING_KEY"] as const;

const { values } = parseArgs({
  options: { "dry-run": { type: "boolean", default: false }, "keep-secrets": { type: "boolean", default: false } },
});
const dist = path.join(root, "dist");
const wrangler = wranglerClient(path.join(dist, "wrangler"));
const config = readDeployConfig();

/** What is wrong with the secrets in the environment; never says a value. */
function secretFaults(): string[] {
  return SECRETS.flatMap((name) => {
    const bytes = Buffer.byteLength(process.env[name] ?? "");
    if (bytes === 0) return [`${name} is not set`];
    return bytes < MIN_SECRET_BYTES ? [`${name} has ${String(bytes)} bytes`] : [];
  });
}

/** Throws unless the worker will have both secrets. */
async function checkSecrets(): Promise<void> {
  if (values["keep-secrets"]) {
    const kept = await wrangler.secretNames(config.name);
    const missing = SECRETS.filter((name) => !kept.includes(name));
    if (missing.length === 0) return;
    throw new Error(`refused: the deployed worker has no ${missing.join(" and no ")}; deploy without --keep-secrets`);
  }
  const faults = secretFaults();
  if (faults.length === 0) return;
  throw new Error(
    `refused: ${faults.join(", ")}. Set ${SECRETS.join(" and ")} in the environment, each at least ` +
      `${String(MIN_SECRET_BYTES)} bytes (openssl rand -hex 32 makes one), or use -- --keep-secrets to leave those of ` +
      "the deployed worker.",
  );
}

/** Builds the worker offline and checks what it weighs. */
async function build(): Promise<void> {
  prepareAssets();
  const outDir = path.join(dist, "worker");
  rmSync(outDir, { recursive: true, force: true });
  await wrangler.command(["deploy", "--dry-run", "--outdir", outDir]);
  const bundle = readFileSync(path.join(outDir, "index.js"));
  const gzipBytes = gzipSync(bundle).length;
  console.log(`worker: ${kib(bundle.length)}, ${kib(gzipBytes)} gzip, in ${path.relative(root, outDir)}`);
  if (gzipBytes > MAX_BUNDLE_GZIP_BYTES) {
    throw new Error(`refused: the bundle is over ${kib(MAX_BUNDLE_GZIP_BYTES)} gzip`);
  }
}

async function deploy(): Promise<void> {
  if (!values["dry-run"]) await checkSecrets();
  await build();
  const release = await packAgent(dist);
  console.log(`agent ${release.version}: ${kib(statSync(release.file).size)}, sha256 ${release.sha256}`);
  const migrations = readdirSync(path.resolve(root, config.migrationsDir)).filter((name) => name.endsWith(".sql"));
  if (values["dry-run"]) {
    for (const line of plan(release.key, migrations.length)) console.log(line);
    return;
  }
  const databaseId = await wrangler.ensureResources(config);
  const deployConfig = writeDeployConfig(dist, databaseId);
  const at = ["--config", deployConfig];
  await wrangler.command(["d1", "migrations", "apply", "DB", "--remote", ...at]);
  await wrangler.command([
    "r2",
    "object",
    "put",
    `${config.bucket}/${release.key}`,
    "--file",
    release.file,
    "--remote",
  ]);
  await deployWorker(at);
}

/** Secrets go up with the worker in one step, by a file that is gone afterwards. */
async function deployWorker(at: string[]): Promise<void> {
  if (values["keep-secrets"]) return wrangler.command(["deploy", ...at], { isShown: true });
  const secretsFile = path.join(dist, "secrets.json");
  mkdirSync(dist, { recursive: true });
  writeFileSync(secretsFile, JSON.stringify(Object.fromEntries(SECRETS.map((name) => [name, process.env[name]]))), {
    mode: 0o600,
  });
  try {
    await wrangler.command(["deploy", ...at, "--secrets-file", secretsFile], { isShown: true });
  } finally {
    rmSync(secretsFile, { force: true });
  }
}

function plan(releaseKey: string, migrations: number): string[] {
  const faults = secretFaults();
  return [
    "dry run, nothing was sent. A deploy would:",
    `  make what is missing: database ${config.database}, bucket ${config.bucket}, queues ${config.queues.join(", ")}`,
    `  apply those of the ${String(migrations)} migrations that the database has not`,
    `  put the agent at ${config.bucket}/${releaseKey}`,
    `  deploy the worker ${config.name} with ${SECRETS.join(" and ")}`,
    ...(faults.length === 0 ? [] : [`  (and would be refused now: ${faults.join(", ")})`]),
  ];
}

function kib(bytes: number): string {
  return `${String(Math.ceil(bytes / 1024))} KiB`;
}

try {
  await deploy();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
