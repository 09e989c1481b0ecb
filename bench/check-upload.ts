/**
 * `npm run check:upload -- [--mib N] [--json]`: a dataset of 1 GiB goes up by curl, which is killed in the middle of a
 * piece, twice, and comes down whole and in ranges, byte for byte; with workerd's memory and speed beside a bare R2 put and
 * get in the same worker. Progress is on stderr; with --json stdout has one line. Exits 1 when anything does not hold.
 */
import { createHash } from "node:crypto";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { describeMachine } from "./machine";
import { atMost, describe, failure, must, told, type Result } from "./result";
import { jsonl } from "../test/harness/jsonl";
import { timingScript } from "./timing-script";
import { byBareRoute, byBrokenUpload, type LargeFile, type Step, type Transfer } from "./large-upload";
import { stopAll, stopOnSignals } from "../scripts/processes";

const MIB = 2 ** 20;
/** Below it, the pieces that are killed have no whole part. */
const MIN_MIB = 64;
/** Over what the bare route takes. */
const MORE_MEMORY_MIB = 32;
/** No target of the design: it shows that the agent holds no file, whatever its size. */
const MAX_AGENT_MIB = 128;

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, mib: { type: "string", default: "1024" } },
});
const workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-upload-"));

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function cleanUp(): Promise<void> {
  await stopAll();
  rmSync(workDir, { recursive: true, force: true });
}

async function makeFile(mib: number): Promise<LargeFile> {
  const file = path.join(workDir, "rows.jsonl");
  const hash = createHash("sha256");
  const hashed = function* (): Generator<Uint8Array> {
    // For the trainer of the job that an agent gets the file for.
    const script = timingScript({ steps: 1, mean_ms: 0 }).map((row) => `${JSON.stringify(row)}\n`);
    for (const block of [Buffer.from(script.join("")), ...jsonl(mib * MIB)]) {
      hash.update(block);
      yield block;
    }
  };
  await pipeline(Readable.from(hashed()), createWriteStream(file));
  const { size } = await stat(file);
  say(`the file has ${String(size)} bytes of JSON Lines`);
  return { path: file, sizeBytes: size, sha256: hash.digest("hex") };
}

async function measure(mib: number): Promise<Result[]> {
  const file = await makeFile(mib);
  const bare = await byBareRoute({ workDir, say }, file);
  return judge(file, bare, await byBrokenUpload({ workDir, say }, file));
}

function judge(file: LargeFile, bare: Step[], { steps, sha256, breaks }: Transfer): Result[] {
  const isEqual = Object.values(sha256).every((found) => found === file.sha256);
  const found = `${String(file.sizeBytes)} bytes of SHA-256 ${file.sha256}; ${JSON.stringify(sha256)}; ${breaks.join("; ")}`;
  const all = [...bare, ...steps];
  /** From before the first of these steps, which one workerd did one after another. */
  const growth = (...names: string[]): number => {
    const seen = all.filter(({ name }) => names.includes(name));
    return Math.max(...seen.map(({ peakMib }) => peakMib)) - (seen[0]?.beforeMib ?? 0);
  };
  const more = (name: string, ours: number, theirs: number, than: string): Result =>
    atMost(
      `upload/${name}`,
      ours - theirs,
      "MiB",
      MORE_MEMORY_MIB,
      `workerd grew by ${ours.toFixed(0)} MiB, by ${than} ${theirs.toFixed(0)} MiB; a fresh one each`,
    );
  return [
    must("upload/bytes", "the same bytes", isEqual, found),
    more("memory-up", growth("up", "complete"), growth("bare up"), "the bare put"),
    more("memory-down", growth("down", "ranges"), growth("bare down of it"), "a bare get of the same object"),
    atMost(
      "upload/memory-agent",
      growth("agent down"),
      "MiB",
      MAX_AGENT_MIB,
      "what an idle agent grew by when it got the file for a job; an undisturbed Node process has as much room for garbage",
    ),
    ...all.map(({ name, seconds }) =>
      told(`upload/${name}`, file.sizeBytes / 1e6 / seconds, "MB/s", `${seconds.toFixed(1)} s`),
    ),
  ];
}

async function check(): Promise<boolean> {
  const mib = Number(values.mib);
  if (!Number.isInteger(mib) || mib < MIN_MIB)
    throw new Error(`--mib must be a whole number from ${String(MIN_MIB)} on`);
  const [machine, beganAtMs] = [describeMachine(), Date.now()];
  const results = await measure(mib).catch((error: unknown) => [failure("upload", error)]);
  const ok = results.every((result) => result.holds !== false);
  for (const result of results) (values.json ? process.stderr : process.stdout).write(`${describe(result)}\n`);
  const summary = { ok, results, machine: machine(), seconds: Math.round((Date.now() - beganAtMs) / 100) / 10 };
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else process.stdout.write(`${ok ? "holds" : "does not hold"}; ${JSON.stringify(summary.machine)}\n`);
  return ok;
}

stopOnSignals(cleanUp, 130);
const ok = await check()
  .catch((error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    return false;
  })
  .finally(cleanUp);
process.exit(ok ? 0 : 1);
