/**
 * Writes worker/domain/shared-functions.ts from agent/testing_functions/*.py, since a worker has no files to read. Each
 * file defines one function of its own name; its docstring ends with a line `Dependencies: none`, or the names that pip
 * knows of what it imports, which must be in the trainer's environment. `--check` writes nothing and fails when the
 * committed file is not what the Python files say now.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as prettier from "prettier";
import { root } from "./env";

const folder = path.join(root, "agent", "testing_functions");
const file = path.join(root, "worker", "domain", "shared-functions.ts");
const pinned = new Set(
  [...readFileSync(path.join(root, "agent", "trainer", "requirements.txt"), "utf8").matchAll(/^([\w.-]+)==/gm)].map(
    (line) => line[1],
  ),
);

const functions = readdirSync(folder)
  .filter((name) => name.endsWith(".py"))
  .sort()
  .map((name) => describe(path.basename(name, ".py"), readFileSync(path.join(folder, name), "utf8")));

function describe(name: string, content: string): string {
  if (!content.includes(`\ndef ${name}(input_text: str, expected_output: str, predicted_output: str) -> float:\n`)) {
    throw new Error(`${name}.py does not define ${name}`);
  }
  const listed = /^Dependencies: (.+)$/m.exec(content)?.[1];
  if (listed === undefined) throw new Error(`${name}.py does not say what it depends on`);
  const dependencies = listed === "none" ? [] : listed.split(", ");
  const unknown = dependencies.filter((dependency) => !pinned.has(dependency));
  if (unknown.length > 0) throw new Error(`${name}.py needs ${unknown.join(", ")}, not in the trainer's environment`);
  const lines = content.split("\n").map((line) => JSON.stringify(line));
  return `{ name: ${JSON.stringify(name)}, dependencies: ${JSON.stringify(dependencies)}, content: [${lines.join(",")}].join("\\n") }`;
}

const source = `/**
 * The testing functions that every account has. Written by \`npm run testing-functions\` from agent/testing_functions/,
 * and not to be changed here.
 */
export interface SharedFunction {
  readonly name: string;
  /** The Python source, whole. */
  readonly content: string;
  /** What it imports, by pip's names; all of it is in the trainer's environment. */
  readonly dependencies: readonly string[];
}

export const SHARED_FUNCTIONS: readonly SharedFunction[] = [${functions.join(",")}];
`;
const text = await prettier.format(source, { ...(await prettier.resolveConfig(file)), parser: "typescript" });

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
if (!values.check) {
  writeFileSync(file, text);
} else if (readFileSync(file, "utf8") !== text) {
  console.error(`${path.relative(root, file)} is not what agent/testing_functions says: run npm run testing-functions`);
  process.exit(1);
}
