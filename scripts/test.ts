/**
 * `npm test`: every check, one after the other, all of them even when one fails. `npm test -- quick` leaves out the long
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

const stages: Stage[] = [
  checkStage("format", path.join(bin, "prettier"), ["--check", "--log-level", "warn", "."]),
  checkStage("lint", path.join(bin, "eslint"), ["--max-warnings", "0", "."]),
  checkStage("types", path.join(bin, "tsc"), ["--noEmit"]),
  scriptStage("imports", "import-check.ts"),
  scriptStage("schema", "protocol-schema.ts", ["--check"]),
  scriptStage("functions", "testing-functions.ts", ["--check"]),
  scriptStage("deploy", "deploy.ts", ["--dry-run"]),
  vitestStage("node", false),
  vitestStage("streams", false),
  vitestStage("workers", false),
  pythonLint(),
  pytestStage(pythonOnce),
  withPython(withBrowser(vitestStage("e2e", true))),
];

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

async function runStage(stage: Stage): Promise<Counts> {
  try {
    return await stage.run();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

prepareAssets();
const todo = chosen(process.argv.slice(2));
// On a fresh machine it takes more than a minute, mostly of waiting: time for the stages before those that need it.
if (todo.some(({ name }) => NEED_PYTHON.includes(name))) {
  pythonOnce().catch(() => null); // The first of them tells it.
}
const lines: string[] = [];
let total: Counts = { passed: 0, failed: 0, skipped: 0 };
for (const [index, stage] of todo.entries()) {
  console.log(`[${String(index + 1)}/${String(todo.length)}] ${stage.name}`);
  const startedAtMs = Date.now();
  const counts = await runStage(stage);
  total = add(total, counts);
  const seconds = ((Date.now() - startedAtMs) / 1000).toFixed(1);
  lines.push(
    `  ${counts.failed === 0 ? "ok    " : "FAILED"} ${stage.name.padEnd(14)} ${summary(counts)}, ${seconds} s`,
  );
  console.log(lines.at(-1));
}
console.log(`\n${lines.join("\n")}\n\n${summary(total)}`);
process.exit(total.failed === 0 ? 0 : 1);

function summary(counts: Counts): string {
  const skipped = counts.skipped === 0 ? "" : `, ${String(counts.skipped)} skipped`;
  return `${String(counts.passed)} passed, ${String(counts.failed)} failed${skipped}`;
}
