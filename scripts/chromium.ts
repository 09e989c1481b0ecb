/**
 * The browser of the page tests: CHROMIUM_PATH, or Debian's package, installed when it is missing and we may. Elsewhere
 * those tests are skipped: a browser is too large a thing to fetch from anywhere but the system's own packages.
 */
import { existsSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { run } from "./processes";
import { startProgress } from "./progress";

const DEBIAN_PATH = "/usr/bin/chromium";
/** Chromium recommends much that a headless one never needs, and no font: without any it shows no text. */
const PACKAGES = ["chromium", "fonts-dejavu-core"];
/** Another apt-get on this machine is waited for. */
const LOCK_WAIT_S = 300;
/** Lines that apt-get prints for a small image; the bar's total grows when there are more. */
const EXPECTED_LINES = 160;

export const HOW_TO_GET_CHROMIUM =
  "the browser tests are skipped: install chromium (Debian: apt-get install chromium) or name one in CHROMIUM_PATH";

/** The browser that is here, or null. A CHROMIUM_PATH that leads nowhere is an error. */
export function findChromium(): string | null {
  const given = process.env["CHROMIUM_PATH"];
  if (given !== undefined && given !== "") {
    if (existsSync(given)) return given;
    throw new Error(`CHROMIUM_PATH is ${given}, which is not there`);
  }
  return existsSync(DEBIAN_PATH) ? DEBIAN_PATH : null;
}

/** As `findChromium`, but installs it first where root can on Debian; otherwise says what to do and gives null. */
export async function ensureChromium(): Promise<string | null> {
  const found = findChromium();
  if (found !== null) return found;
  if (isDebian() && process.getuid?.() === 0) await install();
  const installed = findChromium();
  if (installed === null) console.warn(HOW_TO_GET_CHROMIUM);
  return installed;
}

/** Only Debian's: a package of that name elsewhere is a stub for another installer. */
function isDebian(): boolean {
  return existsSync("/etc/os-release") && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));
}

async function install(): Promise<void> {
  const progress = startProgress("installing chromium (once)", EXPECTED_LINES);
  const startedAtMs = Date.now();
  let lines = 0;
  const onLine = (line: string): void => {
    lines += 1;
    progress.update(lines, line.trim(), Math.max(EXPECTED_LINES, lines));
  };
  const options = { onLine, env: { DEBIAN_FRONTEND: "noninteractive" } };
  const wait = ["-o", `DPkg::Lock::Timeout=${String(LOCK_WAIT_S)}`];
  let failed: string | null = null;
  for (const args of [["update"], ["install", "--yes", "--no-install-recommends", ...PACKAGES]]) {
    const outcome = await run("apt-get", [...wait, ...args], options);
    if (outcome.code === 0) continue;
    failed = `apt-get ${args.join(" ")} failed:\n${outcome.stderr.trim().split("\n").slice(-5).join("\n")}`;
    break;
  }
  progress.done(failed ?? `${String(Math.round((Date.now() - startedAtMs) / 1000))} s`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(`${(await ensureChromium()) ?? ""}\n`);
}
