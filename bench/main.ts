/**
 * `npm run bench -- [name…] [--quick] [--json]`: what is measured against peers and limits (DESIGN §8, docs/benchmarks.md).
 * Everything goes through what people use: HTTP to `wrangler dev`, the real agent, the real trainer. Progress is on
 * stderr; with --json stdout has one line. Exits 1 when a target does not hold.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { stopAll, stopOnSignals } from "../scripts/processes";
import type { Benchmark, Options } from "./benchmark";
import { bytes } from "./benchmarks/bytes";
import { dispatch } from "./benchmarks/dispatch";
import { eventLag } from "./benchmarks/event-lag";
import { getJob } from "./benchmarks/get-job";
import { inference } from "./benchmarks/inference";
import { ingest } from "./benchmarks/ingest";
import { lists } from "./benchmarks/lists";
import { metrics } from "./benchmarks/metrics";
import { overhead } from "./benchmarks/overhead";
import { recovery } from "./benchmarks/recovery";
import { describeMachine } from "./machine";
import { describe, failure, type Result } from "./result";

/** In the order of DESIGN §8. */
const BENCHMARKS: Benchmark[] = [
  overhead,
  eventLag,
  dispatch,
  metrics,
  ingest,
  getJob,
  lists,
  bytes,
  recovery,
  inference,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    pairs: { type: "string" },
  },
});
const startedAtMs = Date.now();
const workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-bench-"));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function cleanUp(): Promise<void> {
  await stopAll();
  rmSync(workDir, { recursive: true, force: true });
}

function chosen(): Benchmark[] {
  const unknown = positionals.filter((name) => !BENCHMARKS.some((one) => one.name === name));
  if (unknown.length > 0) {
    throw new Error(`no benchmark ${unknown.join(", ")}; there are ${BENCHMARKS.map((one) => one.name).join(", ")}`);
  }
  return positionals.length === 0 ? BENCHMARKS : BENCHMARKS.filter((one) => positionals.includes(one.name));
}

function pairs(): number | undefined {
  if (values.pairs === undefined) return undefined;
  const count = Number(values.pairs);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--pairs must be a count, and is "${values.pairs}"`);
  return count;
}

/** One that breaks down does not keep the others from running. */
async function measure(benchmark: Benchmark, options: Options): Promise<Result[]> {
  say(`${benchmark.name}: ${benchmark.what}`);
  const beganAtMs = Date.now();
  try {
    return await benchmark.run(options);
  } catch (error) {
    return [failure(benchmark.name, error)];
  } finally {
    await stopAll();
    say(`${benchmark.name}: ${((Date.now() - beganAtMs) / 1000).toFixed(0)} s`);
  }
}

async function bench(): Promise<boolean> {
  const machine = describeMachine();
  const options: Options = { quick: values.quick, pairs: pairs(), workDir, say };
  const results: Result[] = [];
  for (const benchmark of chosen()) {
    for (const result of await measure(benchmark, options)) {
      results.push(result);
      (values.json ? process.stderr : process.stdout).write(`${describe(result)}\n`);
    }
  }
  const ok = results.every((result) => result.holds !== false);
  const seconds = Math.round((Date.now() - startedAtMs) / 100) / 10;
  const summary = { ok, quick: values.quick, results, machine: machine(), seconds };
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else
    process.stdout.write(
      `${ok ? "every target holds" : "not every target holds"}; ${JSON.stringify(summary.machine)}\n`,
    );
  return ok;
}

stopOnSignals(cleanUp, 130);
if (values.list) {
  for (const { name, what } of BENCHMARKS) process.stdout.write(`${name.padEnd(12)} ${what}\n`);
  await cleanUp();
} else {
  const ok = await bench()
    .catch((error: unknown) => {
      say(error instanceof Error ? error.message : String(error));
      return false;
    })
    .finally(cleanUp);
  process.exit(ok ? 0 : 1);
}
