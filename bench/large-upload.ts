/**
 * One large file by the bare R2 route and by an upload that breaks off, each in a fresh workerd: what one has left behind
 * would hide what the other takes.
 */
import { createHash, type Hash } from "node:crypto";
import { z } from "zod";
import { startAgent, TIMING_TRAINER } from "./agent";
import { createJob, waitUntilCompleted } from "./jobs";
import { watchMemory } from "./memory";
import { withPlane, type Plane } from "./plane";
import { bareUrlOf, receive, send } from "./transfer";
import { sendByCurl } from "../test/harness/curl-upload";
import { run } from "../scripts/processes";
import { preparePython } from "../scripts/python-env";

const AGENT = "agent/src/main.ts";
const JOB_TIMEOUT_MS = 600_000;
const WARM_UP_BYTES = 16 * 2 ** 20;
/** Shares of the file at which pieces end; in those that are killed, curl is given four fifths. */
const PIECES = [
  { share: 0.07, isKilled: false },
  { share: 0.41, isKilled: true },
  { share: 0.4321, isKilled: false },
  { share: 0.83, isKilled: true },
  { share: 1, isKilled: false },
];
const KILLED_AT = 0.8;
const RANGES = [0.0001, 0.3, 0.31, 0.77, 1];

export interface LargeFile {
  path: string;
  sizeBytes: number;
  sha256: string;
}

export interface Step {
  name: string;
  seconds: number;
  /** Resident, of the process that is watched: before this step, and the most in it. */
  beforeMib: number;
  peakMib: number;
}

export interface Transfer {
  steps: Step[];
  /** Of the whole file, each time that it was read or hashed. */
  sha256: Record<string, string>;
  /** In words: where curl was killed, and what the worker told then. */
  breaks: string[];
}

interface Options {
  workDir: string;
  say: (text: string) => void;
}

const upload = z.object({ id: z.string(), upload_url: z.string() });
const progress = z.object({ offset: z.number() });
const completed = z.object({ state: z.literal("completed"), sha256: z.string() });
const dataset = z.object({ id: z.string(), sha256: z.string() });
const signed = z.object({ url: z.string() });

export async function byBareRoute(options: Options, file: LargeFile): Promise<Step[]> {
  return onPlane(options, async ({ url }, measured) => {
    await send("PUT", `${url}/bare/objects/warm-up`, WARM_UP_BYTES);
    const target = `${url}/bare/objects/file`;
    await measured("bare up", async () => {
      const { code, stderr } = await run("curl", ["-sSf", "-T", file.path, target]);
      if (code !== 0) throw new Error(`the bare route did not take the file: ${stderr}`);
    });
    await measured("bare down", () => receive(target, file.sizeBytes));
  }).then(({ steps }) => steps);
}

export async function byBrokenUpload(options: Options, file: LargeFile): Promise<Transfer> {
  const { steps, result } = await onPlane(options, async (plane, measured) => {
    const { client } = plane;
    await warmUp(plane);
    const body = { filename: "rows.jsonl", size_bytes: file.sizeBytes };
    const begun = await client.post("/anneal/v1/uploads", body, upload);
    const breaks = await measured("up", () => sendInPieces(plane, begun, file, options.say));
    const whole = await measured("complete", () =>
      client.post(`/anneal/v1/uploads/${begun.id}/complete`, {}, completed),
    );
    const made = await measured("dataset", () =>
      client.post("/anneal/v1/datasets", { upload_id: begun.id, name: "rows" }, dataset),
    );
    const bareUrl = await bareUrlOf(plane.url, "", file.sizeBytes);
    // Each way of reading in a fresh workerd: the simulator keeps much of what it has read of an object of many parts.
    await plane.restart();
    await measured("bare down of it", () => receive(bareUrl, file.sizeBytes));
    await plane.restart();
    const { url } = await client.get(`/anneal/v1/datasets/${made.id}/download`, signed);
    const down = await measured("down", () => readWhole(url));
    const ranges = await measured("ranges", () => readInRanges(url, file.sizeBytes));
    const python = await preparePython();
    const agent = await startAgent(plane, { name: "timing", env: { ...TIMING_TRAINER, ANNEAL_PYTHON: python } });
    await measured(
      "agent down",
      async () => {
        const job = await createJob(client, { datasetId: made.id });
        await waitUntilCompleted(client, job, JOB_TIMEOUT_MS);
      },
      { pid: agent.pid, part: AGENT },
    );
    return { breaks, sha256: { complete: whole.sha256, dataset: made.sha256, down, ranges } };
  });
  return { steps, ...result };
}

/** Of workerd, unless another process is named. */
type Measured = <T>(name: string, work: () => Promise<T>, of?: { pid: number; part: string }) => Promise<T>;

async function onPlane<T>(
  { workDir, say }: Options,
  work: (plane: Plane, measured: Measured) => Promise<T>,
): Promise<{ steps: Step[]; result: T }> {
  const steps: Step[] = [];
  const result = await withPlane({ quick: false, pairs: undefined, workDir, say }, {}, (plane) =>
    work(plane, async (name, step, of = { pid: plane.pid, part: "workerd" }) => {
      const beganAtMs = performance.now();
      const { result: got, beforeMib, peakMib } = await watchMemory(of.pid, step, of.part);
      const seconds = (performance.now() - beganAtMs) / 1000;
      steps.push({ name, seconds, beforeMib, peakMib });
      say(
        `${name}: ${seconds.toFixed(1)} s; ${of.part} had ${beforeMib.toFixed(0)} MiB, at most ${peakMib.toFixed(0)}`,
      );
      return got;
    }),
  );
  return { steps, result };
}

async function warmUp({ client, apiKey }: Plane): Promise<void> {
  const { id, upload_url: url } = await client.post("/anneal/v1/uploads", { filename: "warm-up" }, upload);
  await send("PUT", url, WARM_UP_BYTES, { authorization: `Bearer ${apiKey}` });
  await client.post(`/anneal/v1/uploads/${id}/complete`, {}, completed);
}

/** Each piece from the byte that the worker asks for. */
async function sendInPieces(
  { client, apiKey }: Plane,
  { id, upload_url: url }: { id: string; upload_url: string },
  file: LargeFile,
  say: Options["say"],
): Promise<string[]> {
  const total = file.sizeBytes;
  const breaks: string[] = [];
  let from = 0;
  for (const { share, isKilled } of PIECES) {
    const to = Math.round(share * total);
    const cut = isKilled ? { killAfterBytes: Math.round((to - from) * KILLED_AT) } : {};
    const { status, body, givenBytes } = await sendByCurl(url, apiKey, file.path, { from, to, total, ...cut });
    if (status !== (isKilled ? null : 200)) throw new Error(`a piece was answered ${String(status)}: ${body}`);
    const { offset } = await client.get(`/anneal/v1/uploads/${id}`, progress);
    if (isKilled) breaks.push(`killed after byte ${String(from + givenBytes)}, told ${String(offset)}`);
    say(`curl ${isKilled ? "was killed" : "sent a piece"}; go on from byte ${String(offset)}`);
    from = offset;
  }
  return breaks;
}

async function readWhole(url: string): Promise<string> {
  const hash = createHash("sha256");
  await readInto(hash, url, 200, {});
  return hash.digest("hex");
}

async function readInRanges(url: string, sizeBytes: number): Promise<string> {
  const hash = createHash("sha256");
  let from = 0;
  for (const share of RANGES) {
    const to = Math.round(share * sizeBytes);
    await readInto(hash, url, 206, { range: `bytes=${String(from)}-${String(to - 1)}` });
    from = to;
  }
  return hash.digest("hex");
}

async function readInto(hash: Hash, url: string, status: number, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url, { headers });
  if (response.status !== status || !response.body) throw new Error(`a download answered ${String(response.status)}`);
  for await (const chunk of response.body) hash.update(chunk);
}
