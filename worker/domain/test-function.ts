/**
 * Testing functions: called by their own names, one sample a call. What an account uploads must not take the name of one
 * that everybody has.
 */
import { SHARED_FUNCTION_PREFIX } from "../../protocol";
import { DomainError, invalid } from "./errors";
import { SHARED_FUNCTIONS } from "./shared-functions";

/** All of them are shown at once, with their sources. */
export const MAX_TEST_FUNCTIONS = 100;
const MAX_NAME_CHARS = 100;
const PYTHON_NAME = /^[A-Za-z_]\w*$/;
/** A table of results has these columns, and one for each function. */
const TABLE_COLUMNS = ["input", "expected_output", "output"];

export interface TestFunction {
  name: string;
  /** The Python source. */
  content: string;
  /** By pip's names. */
  dependencies: string[];
}

/** Throws `invalid_request` or `conflict` on field `name`. */
export function checkTestName(name: string): void {
  if (!PYTHON_NAME.test(name) || name.length > MAX_NAME_CHARS) {
    throw invalid("name", `must be the name of the Python function, of at most ${String(MAX_NAME_CHARS)} characters`);
  }
  if (TABLE_COLUMNS.includes(name))
    throw invalid("name", `must not be ${TABLE_COLUMNS.join(", ")}: results have columns of these names`);
  if (sharedFunctionId(name) !== null) {
    throw new DomainError("conflict", `a testing function '${name}' is there for every account`, { field: "name" });
  }
}

/** `shared:<name>`, or null when there is no such function. */
export function sharedFunctionId(name: string): string | null {
  return SHARED_FUNCTIONS.some((fn) => fn.name === name) ? SHARED_FUNCTION_PREFIX + name : null;
}

export function sharedFunctions(): TestFunction[] {
  return SHARED_FUNCTIONS.map(({ name, content, dependencies }) => ({
    name,
    content,
    dependencies: [...dependencies],
  }));
}

/** What the source says of itself, in a line `Dependencies: numpy, scikit-learn` of its docstring, as the shared ones do. */
export function dependenciesIn(content: string): string[] {
  const listed = /^\s*Dependencies: (.+)$/m.exec(content)?.[1]?.trim() ?? "none";
  if (listed === "none") return [];
  return listed
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
