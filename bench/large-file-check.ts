/** What a check that sends one large file begins and ends with: the file, its figures shown, and nothing left behind. */
import { createHash } from "node:crypto";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { stopAll, stopOnSignals } from "../scripts/processes";
import type { LargeFile } from "./large-upload";
import { describeMachine } from "./machine";
import { describe, failure, type Result } from "./result";

export interface LargeFileCheck {
  /** Of its figures and its folder. */
  name: string;
  defaultMib: number;
  /** Below it nothing is shown. */
  minMib: number;
  measure: (mib: number, workDir: string) => Promise<Result[]>;
}

/** `[--mib N] [--json]`: progress on stderr; with --json stdout has one line. Exits 1 when anything does not hold. */
export async function runLargeFileCheck(wanted: LargeFileCheck): Promise<never> {
  const workDir = mkdtempSync(path.join(os.tmpdir(), `anneal-${wanted.name}-`));
  const cleanUp = async (): Promise<void> => {
    await stopAll();
    rmSync(workDir, { recursive: true, force: true });
  };
  stopOnSignals(cleanUp, 130);
  const ok = await check(wanted, workDir)
    .catch((error: unknown) => {
      say(error instanceof Error ? error.message : String(error));
      return false;
    })
    .finally(cleanUp);
  process.exit(ok ? 0 : 1);
}

export async function makeLargeFile(workDir: string, blocks: Iterable<Uint8Array>): Promise<LargeFile> {
  const file = path.join(workDir, "rows.jsonl");
  const hash = createHash("sha256");
  const hashed = function* (): Generator<Uint8Array> {
    for (const block of blocks) {
      hash.update(block);
      yield block;
    }
  };
  await pipeline(Readable.from(hashed()), createWriteStream(file));
  const { size } = await stat(file);
  say(`the file has ${String(size)} bytes of JSON Lines`);
  return { path: file, sizeBytes: size, sha256: hash.digest("hex") };
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function check({ name, defaultMib, minMib, measure }: LargeFileCheck, workDir: string): Promise<boolean> {
  const { values } = parseArgs({
    options: { json: { type: "boolean", default: false }, mib: { type: "string", default: String(defaultMib) } },
  });
  const mib = Number(values.mib);
  if (!Number.isInteger(mib) || mib < minMib) {
    throw new Error(`--mib must be a whole number from ${String(minMib)} on`);
  }
  const [machine, beganAtMs] = [describeMachine(), Date.now()];
  const results = await measure(mib, workDir).catch((error: unknown) => [failure(name, error)]);
  const ok = results.every((result) => result.holds !== false);
  for (const result of results) (values.json ? process.stderr : process.stdout).write(`${describe(result)}\n`);
  const summary = { ok, results, machine: machine(), seconds: Math.round((Date.now() - beganAtMs) / 100) / 10 };
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else process.stdout.write(`${ok ? "holds" : "does not hold"}; ${JSON.stringify(summary.machine)}\n`);
  return ok;
}
