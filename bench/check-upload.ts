/**
 * `npm run check:upload -- [--mib N] [--json]`: a dataset of 1 GiB goes up by curl, which is killed in the middle of a
 * piece, twice, and comes down whole and in ranges, byte for byte; with workerd's memory and speed beside a bare R2 put and
 * get in the same worker. Progress is on stderr; with --json stdout has one line. Exits 1 when anything does not hold.
 */
import { atMost, must, told, type Result } from "./result";
import { jsonl } from "../test/harness/jsonl";
import { timingScript } from "./timing-script";
import { makeLargeFile, runLargeFileCheck, say } from "./large-file-check";
import { byBareRoute, byBrokenUpload, type LargeFile, type Step, type Transfer } from "./large-upload";

const MIB = 2 ** 20;
/** Below it, the pieces that are killed have no whole part. */
const MIN_MIB = 64;
/** Over what the bare route takes. */
const MORE_MEMORY_MIB = 32;
/** No target of the design: it shows that the agent holds no file, whatever its size. */
const MAX_AGENT_MIB = 128;

function makeFile(mib: number, workDir: string): Promise<LargeFile> {
  // For the trainer of the job that an agent gets the file for.
  const script = timingScript({ steps: 1, mean_ms: 0 }).map((row) => `${JSON.stringify(row)}\n`);
  const blocks = function* (): Generator<Uint8Array> {
    yield Buffer.from(script.join(""));
    yield* jsonl(mib * MIB);
  };
  return makeLargeFile(workDir, blocks());
}

async function measure(mib: number, workDir: string): Promise<Result[]> {
  const file = await makeFile(mib, workDir);
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

await runLargeFileCheck({ name: "upload", defaultMib: 1024, minMib: MIN_MIB, measure });
