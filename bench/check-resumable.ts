/**
 * `npm run check:resumable -- [--mib N] [--json]`: a dataset of 200 MiB goes up in chunks by Google's own Python library to a
 * session's resumable upload URL, over a line that is cut in the middle of a chunk, twice, and comes down again byte for
 * byte. Progress is on stderr; with --json stdout has one line. Exits 1 when anything does not hold.
 */
import { googlePython, uploadByGoogle } from "../test/harness/google-upload";
import { jsonl } from "../test/harness/jsonl";
import { startPlane } from "../test/harness/plane";
import { makeLargeFile, runLargeFileCheck } from "./large-file-check";
import { must, told, type Result } from "./result";

const MIB = 2 ** 20;
/** Not a divisor of the parts that the worker makes. */
const CHUNK_BYTES = 10 * MIB;
const MIN_MIB = 32;
/** Of all that has gone up when the line is cut. */
const CUTS = [0.33, 0.71];

async function measure(mib: number, workDir: string): Promise<Result[]> {
  const python = await googlePython();
  const { path: file, sizeBytes, sha256 } = await makeLargeFile(workDir, jsonl(mib * MIB));
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

await runLargeFileCheck({ name: "resumable", defaultMib: 200, minMib: MIN_MIB, measure });
