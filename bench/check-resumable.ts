/**
 * `npm run check:resumable -- [--mib N] [--json]`: a dataset of 200 MiB goes up in chunks by Google's own Python library to a
 * session's resumable upload URL, over a line that is cut in the middle of a chunk, twice, and comes down again byte for
 * byte. Progress is on stderr; with --json stdout has one line. Exits 1 when anything does not hold.
 */
import { createHash } from "node:crypto";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { stopOnSignals } from "../scripts/processes";
import { googlePython, uploadByGoogle } from "../test/harness/google-upload";
import { jsonl } from "../test/harness/jsonl";
import { startPlane } from "../test/harness/plane";
import { describeMachine } from "./machine";
import { describe, failure, must, told, type Result } from "./result";

const MIB = 2 ** 20;
/** Not a divisor of the parts that the worker makes. */
const CHUNK_BYTES = 10 * MIB;
const MIN_MIB = 32;
/** Of all that has gone up when the line is cut. */
const CUTS = [0.33, 0.71];

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, mib: { type: "string", default: "200" } },
});
const workDir = mkdtempSync(path.join(os.tmpdir(), "anneal-resumable-"));

function cleanUp(): Promise<void> {
  rmSync(workDir, { recursive: true, force: true });
  return Promise.resolve();
}

async function makeFile(mib: number): Promise<{ file: string; sizeBytes: number; sha256: string }> {
  const file = path.join(workDir, "rows.jsonl");
  const hash = createHash("sha256");
  const hashed = function* (): Generator<Uint8Array> {
    for (const block of jsonl(mib * MIB)) {
      hash.update(block);
      yield block;
    }
  };
  await pipeline(Readable.from(hashed()), createWriteStream(file));
  return { file, sizeBytes: (await stat(file)).size, sha256: hash.digest("hex") };
}

async function measure(mib: number): Promise<Result[]> {
  const python = await googlePython();
  const { file, sizeBytes, sha256 } = await makeFile(mib);
  process.stderr.write(`the file has ${String(sizeBytes)} bytes of JSON Lines\n`);
  const plane = await startPlane({ heartbeatMs: 1_000, leaseMs: 10_000, resumeIntervalMs: 60_000 });
  try {
    const account = await plane.account("resumable");
    const args = ["--chunk-bytes", String(CHUNK_BYTES), "--checksum", "md5"];
    const cutAfterBytes = CUTS.map((share) => Math.round(share * sizeBytes));
    const sent = await uploadByGoogle(account, python, file, { cutAfterBytes, args });
    const isEqual = sent.sha256 === sha256 && sent.answer.sha256 === sha256;
    const wasCut = sent.cuts === CUTS.length && sent.recovered.length === CUTS.length;
    const resumed = `recovered at the bytes ${sent.recovered.join(", ")}`;
    return [
      must("resumable/bytes", "the same bytes", isEqual, `${String(sizeBytes)} bytes of SHA-256 ${sha256}`),
      must("resumable/cuts", `${String(CUTS.length)} cuts, each recovered`, wasCut, resumed),
      must("resumable/rows", "a dataset", sent.answer.dataset !== null, JSON.stringify(sent.answer)),
      told("resumable/up", sizeBytes / 1e6 / sent.seconds, "MB/s", `${sent.seconds.toFixed(1)} s, checked as rows too`),
    ];
  } finally {
    await plane.close();
  }
}

async function check(): Promise<boolean> {
  const mib = Number(values.mib);
  if (!Number.isInteger(mib) || mib < MIN_MIB)
    throw new Error(`--mib must be a whole number from ${String(MIN_MIB)} on`);
  const [machine, beganAtMs] = [describeMachine(), Date.now()];
  const results = await measure(mib).catch((error: unknown) => [failure("resumable", error)]);
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
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  })
  .finally(cleanUp);
process.exit(ok ? 0 : 1);
