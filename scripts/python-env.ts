/**
 * The trainer's Python environment: a venv per content of agent/trainer/requirements*.txt, in the user's cache directory,
 * so that a second checkout finds it. torch goes first, alone and pinned, so that nothing pulls another; a plain pip takes
 * the CUDA build on Linux. A marker file is written last: without it the folder is half-made and is made again.
 * ANNEAL_PYTHON names an interpreter to use instead of all this.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./env";
import { withFileLock } from "./file-lock";
import { run } from "./processes";
import { startProgress } from "./progress";

/** What the pinned numpy and pandas ask for. */
const OLDEST_MINOR = 11;
/** About what pip collects for torch alone and for the rest; the bar's total grows when it is more. */
const EXPECTED_PACKAGES = 80;

/** Looks without importing: an import of torch takes seconds. */
const HAS_LIBRARIES =
  "import sys, importlib.util as u; sys.exit(not all(u.find_spec(m) for m in ('torch', 'trl', 'sentence_transformers', 'uvicorn')))";

/** Gives the interpreter of a complete environment and sets ANNEAL_PYTHON for all children. */
export async function preparePython(): Promise<string> {
  const given = process.env["ANNEAL_PYTHON"];
  if (given !== undefined && given !== "") {
    const probe = await run(given, ["-c", HAS_LIBRARIES]).catch(() => null);
    if (probe?.code === 0) return given;
    throw new Error(
      `ANNEAL_PYTHON is ${given}, which ${probe === null ? "is not there" : "has no torch, trl, sentence_transformers and uvicorn"}`,
    );
  }
  const files = requirementFiles();
  const python = await venv("python", files, async (interpreter, report) => {
    await pip(interpreter, [torchPin(files)], report);
    await pip(
      interpreter,
      files.flatMap((file) => ["-r", file]),
      report,
    );
  });
  process.env["ANNEAL_PYTHON"] = python;
  return python;
}

/** A venv named by the content of `files`, made by `fill` when it is not there. Used for the trainer and by tests. */
export async function venv(
  name: string,
  files: string[],
  fill: (interpreter: string, report: (line: string) => void) => Promise<void>,
): Promise<string> {
  const base = await findPython();
  const hash = createHash("sha256").update(base.version);
  for (const file of files) hash.update(path.basename(file)).update("\0").update(readFileSync(file)).update("\0");
  const cache = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(os.homedir(), ".cache"), "anneal");
  mkdirSync(cache, { recursive: true });
  const dir = path.join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  const interpreter = path.join(dir, "bin", "python");
  const marker = path.join(dir, "complete");
  if (existsSync(marker)) return interpreter;
  return withFileLock(
    `${dir}.lock`,
    () => process.stderr.write("waiting for another command that is setting up Python\n"),
    async () => {
      if (existsSync(marker)) return interpreter;
      await make(base.command, dir, fill, interpreter);
      writeFileSync(marker, `${new Date().toISOString()}\n`);
      return interpreter;
    },
  );
}

async function make(
  python: string,
  dir: string,
  fill: (interpreter: string, report: (line: string) => void) => Promise<void>,
  interpreter: string,
): Promise<void> {
  rmSync(dir, { recursive: true, force: true });
  const progress = startProgress("setting up Python (once)", EXPECTED_PACKAGES);
  const startedAtMs = Date.now();
  let packages = 0;
  let detail = "";
  const show = (): void => {
    progress.update(packages, detail, Math.max(EXPECTED_PACKAGES, packages));
  };
  const ticking = setInterval(show, 1_000);
  try {
    await checked(python, ["-m", "venv", dir], "making a venv");
    await fill(interpreter, (line) => {
      const collecting = /^\s*(Collecting|Processing|Downloading|Installing|Using cached)\s+(.*)/.exec(line);
      if (!collecting) return;
      if (collecting[1] === "Collecting" || collecting[1] === "Processing") packages += 1;
      detail = `${collecting[1] ?? ""} ${path.basename(collecting[2]?.split(" ")[0] ?? "")}`;
      show();
    });
  } finally {
    clearInterval(ticking);
  }
  progress.done(`${String(packages)} packages in ${String(Math.round((Date.now() - startedAtMs) / 1000))} s`);
}

/** `pip install`; says what pip said when it fails. */
export async function pip(interpreter: string, args: string[], report: (line: string) => void): Promise<void> {
  const quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"];
  await checked(interpreter, ["-m", "pip", "install", ...quiet, ...args], `pip install ${args.join(" ")}`, report);
}

async function checked(command: string, args: string[], what: string, onLine?: (line: string) => void): Promise<void> {
  const outcome = await run(command, args, { onLine });
  if (outcome.code !== 0) {
    throw new Error(
      `${what} failed:\n${`${outcome.stdout}\n${outcome.stderr}`.trim().split("\n").slice(-20).join("\n")}`,
    );
  }
}

function requirementFiles(): string[] {
  const dir = path.join(root, "agent", "trainer");
  return readdirSync(dir)
    .filter((name) => /^requirements.*\.txt$/.test(name))
    .sort()
    .map((name) => path.join(dir, name));
}

function torchPin(files: string[]): string {
  const pin = files.flatMap((file) => readFileSync(file, "utf8").split("\n")).find((line) => /^torch==/.test(line));
  if (pin === undefined) throw new Error("agent/trainer/requirements.txt must pin torch with a line torch==VERSION");
  return pin.trim();
}

async function findPython(): Promise<{ command: string; version: string }> {
  const probe = "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:2])))";
  const seen: string[] = [];
  for (const command of ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"]) {
    const found = await run(command, ["-c", probe]).catch(() => null);
    if (found === null) continue;
    const version = found.stdout.trim();
    const minor = Number(version.split(".")[1]);
    if (found.code === 0 && version.startsWith("3.") && minor >= OLDEST_MINOR) return { command, version };
    seen.push(
      `${command}: ${found.code === 0 ? `version ${version}` : (found.stderr.trim().split("\n").at(-1) ?? "")}`,
    );
  }
  throw new Error(
    `the trainer needs python3, 3.${String(OLDEST_MINOR)} or newer, with the venv module (on Debian: python3-venv). ` +
      (seen.length === 0 ? "No python3 was found." : `Found: ${seen.join("; ")}`),
  );
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.stdout.write(`${await preparePython()}\n`);
}
