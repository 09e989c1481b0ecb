/**
 * A reward or testing function's file, as far as it can be judged without running it: the contract's check is textual, and user code
 * is never run or parsed in the worker. What the function does wrong shows in its job.
 */
import type { FunctionFormat } from "../../protocol";
import { invalid } from "./errors";

/** A reward function is a page of Python; a megabyte is a mistaken file. */
export const MAX_SOURCE_BYTES = 1024 * 1024;

/** `trl` scores a batch, `miles` awaits one sample a call. `async def reward(` also has `def reward(`, as documented. */
function needed(format: FunctionFormat, name: string): string {
  if (format === "test") return `def ${name}(`;
  return format === "trl" ? "def reward(" : "async def reward(";
}

/** Throws `invalid_request` on field `file`. `name` is what a testing function is called by. */
export function checkRewardSource(source: Uint8Array, format: FunctionFormat, name = ""): void {
  if (source.byteLength > MAX_SOURCE_BYTES) {
    throw invalid(
      "file",
      `the file has ${String(source.byteLength)} bytes; at most ${String(MAX_SOURCE_BYTES)} (1 MiB)`,
    );
  }
  const text = decode(source);
  if (text.trim() === "") throw invalid("file", "the file is empty");
  const definition = needed(format, name);
  if (!text.includes(definition)) {
    throw invalid("file", `a function of format ${format} must define a function: no '${definition}' found`);
  }
}

function decode(source: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(source);
  } catch (error) {
    if (error instanceof TypeError) throw invalid("file", "the file is not UTF-8 text");
    throw error;
  }
}
