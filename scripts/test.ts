/**
 * `npm test`: every check, all of them even when one fails. `npm test -- quick` leaves out the long
 * ones, `npm test -- types node` runs the named ones. Ends with `N passed, N failed[, N skipped]`; each command that is
 * a check by itself counts as one.
 */
import path from "node:path";
import { prepareAssets } from "./assets";
import { ensureChromium } from "./chromium";
import { bin } from "./env";
import { preparePython } from "./python-env";
import { checkStage, pytestStage, scriptStage, vitestStage, type Counts, type Stage } from "./checks/stage";

let python: Promise<string> | undefined;
/** Made once, by the first stage that needs it. */
function pythonOnce(): Promise<string> {
  python ??= preparePython();
  return python;
}

/** Each takes one core: two run side by side, the longest first. */
const commands: Stage[] = [
  checkStage("lint", path.join(bin, "eslint"), ["--max-warnings", "0", "."]),
  checkStage("types", path.join(bin, "tsc"), ["--noEmit"]),
  checkStage("format", path.join(bin, "prettier"), ["--check", "--log-level", "warn", "."]),
  scriptStage("imports", "import-check.ts"),
  scriptStage("schema", "protocol-schema.ts", ["--check"]),
  scriptStage("functions", "testing-functions.ts", ["--check"]),
  scriptStage("deploy", "deploy.ts", ["--dry-run"]),
];
/** Each shares the cores among its own tests. */
const suites: Stage[] = [
  vitestStage("node", false),
  vitestStage("streams", false),
  vitestStage("workers", false),
  pythonLint(),
  pytestStage(pythonOnce),
  withPython(withBrowser(vitestStage("e2e", true))),
];
const stages = [...commands, ...suites];

const NEED_PYTHON = ["python-lint", "trainer", "e2e"];

/** The other Python files follow the trainer's settings, which are only its own by default. */
function pythonLint(): Stage {
  const settings = ["--config", path.join("agent", "trainer", "pyproject.toml")];
  const elsewhere = [...settings, "examples", "test", path.join("agent", "testing_functions")];
  const commands = [
    ["check", path.join("agent", "trainer")],
    ["check", ...elsewhere],
    ["format", "--check", path.join("agent", "trainer")],
    ["format", "--check", ...elsewhere],
  ];
  return {
    name: "python-lint",
    isSlow: true,
    async run() {
      const python = await pythonOnce();
      let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
      for (const args of commands) {
        counts = add(counts, await checkStage("ruff", python, ["-m", "ruff", ...args]).run());
      }
      return counts;
    },
  };
}

function withPython(stage: Stage): Stage {
  return {
    ...stage,
    async run() {
      await pythonOnce();
      return stage.run();
    },
  };
}

/** Where none can be had, the tests of the pages say so and are counted as skipped. */
function withBrowser(stage: Stage): Stage {
  return {
    ...stage,
    async run() {
      await ensureChromium();
      return stage.run();
    },
  };
}

function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

function chosen(names: string[]): Stage[] {
  if (names.length === 0) return stages;
  if (names.length === 1 && names[0] === "quick") return stages.filter((stage) => !stage.isSlow);
  const unknown = names.filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    throw new Error(`no stage ${unknown.join(", ")}; there are quick, ${stages.map((stage) => stage.name).join(", ")}`);
  }
  return stages.filter((stage) => names.includes(stage.name));
}

/** Tells how it went, and keeps it for the sum. */
async function runStage(stage: Stage): Promise<void> {
  console.log(`[${String(todo.indexOf(stage) + 1)}/${String(todo.length)}] ${stage.name}`);
  const startedAtMs = Date.now();
  const counts = await stage.run().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
  const verdict = counts.failed === 0 ? "ok    " : "FAILED";
  const line = `  ${verdict} ${stage.name.padEnd(14)} ${summary(counts)}, ${seconds} s`;
  console.log(line);
  done.set(stage, { counts, line });
}

/** `width` at a time, in order. */
async function runAll(some: Stage[], width: number): Promise<void> {
  const waiting = [...some];
  const lane = async (): Promise<void> => {
    for (let stage = waiting.shift(); stage; stage = waiting.shift()) await runStage(stage);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

prepareAssets();
const todo = chosen(process.argv.slice(2));
// On a fresh machine it takes more than a minute, mostly of waiting: time for the stages before those that need it.
if (todo.some(({ name }) => NEED_PYTHON.includes(name))) {
  pythonOnce().catch(() => null); // The first of them tells it.
}
const done = new Map<Stage, { counts: Counts; line: string }>();
await runAll(
  todo.filter((stage) => commands.includes(stage)),
  2,
);
await runAll(
  todo.filter((stage) => suites.includes(stage)),
  1,
);
const results = todo.map((stage) => done.get(stage)).filter((result) => result !== undefined);
const total = results.map(({ counts }) => counts).reduce(add, { passed: 0, failed: 0, skipped: 0 });
console.log(`\n${results.map(({ line }) => line).join("\n")}\n\n${summary(total)}`);
process.exit(total.failed === 0 ? 0 : 1);

function summary(counts: Counts): string {
  const skipped = counts.skipped === 0 ? "" : `, ${String(counts.skipped)} skipped`;
  return `${String(counts.passed)} passed, ${String(counts.failed)} failed${skipped}`;
}
