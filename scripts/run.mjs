/**
 * `node scripts/run.mjs <script.ts> [args]`: what every npm script goes through. Plain JavaScript for any Node from 20 on,
 * because on a fresh checkout there is nothing else yet: it installs the packages of package-lock.json when they are
 * missing or not those, then becomes the pinned Node with the TypeScript loader, as the same process where the platform
 * allows it, so that a signal to it reaches the script.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const root = path.resolve(import.meta.dirname, "..");
const bin = path.join(root, "node_modules", ".bin");
const pinnedNode = path.join(bin, "node");
const STDERR = 2;

/** npm writes what it installed into a lock file of its own: compare it with ours. */
function isInstalled() {
  const installedLock = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedLock) || !existsSync(pinnedNode)) return false;
  const installed = JSON.parse(readFileSync(installedLock, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(
    ([name, entry]) => name === "" || entry.optional || installed[name]?.version === entry.version,
  );
}

function install() {
  console.error("setting up: node packages (npm ci, about a minute the first time)");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", STDERR, STDERR],
  });
  if (npm.status !== 0) {
    console.error(`npm ci failed${npm.error ? `: ${npm.error.message}` : ""}; see the lines above`);
    process.exit(npm.status ?? 1);
  }
}

if (!isInstalled()) install();
const [script, ...rest] = process.argv.slice(2);
const loader = pathToFileURL(path.join(root, "node_modules", "tsx", "dist", "loader.mjs")).href;
const argv = ["--import", loader, path.resolve(root, script), ...rest];
const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ""}` };

if (typeof process.execve === "function" && process.platform !== "win32") {
  process.removeAllListeners("warning"); // execve is marked experimental; the notice would be noise in every command
  process.execve(pinnedNode, [pinnedNode, ...argv], env);
} else {
  const child = spawn(pinnedNode, argv, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
}
