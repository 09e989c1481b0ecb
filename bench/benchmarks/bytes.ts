/** A large file up and down, beside a bare R2 put and get in the same worker: how fast, and in how much memory. */
import { z } from "zod";
import { partReceipt } from "../../protocol";
import type { Benchmark, Options } from "../benchmark";
import { createJob, uploadDataset } from "../jobs";
import { Lease } from "../lease";
import { growthMib } from "../memory";
import { withPlane, type Plane } from "../plane";
import { atLeast, atMost, type Result } from "../result";
import { median } from "../stats";
import { bareUrlOf, digest, MIB, receive, send } from "../transfer";

const RATE_RATIO = 0.8;
const MORE_MEMORY_MIB = 32;
/** A client's piece of an upload; what the worker makes of it is its own. */
const PIECE_BYTES = 64 * MIB;

const WARM_UP_BYTES = 16 * MIB;

/** Where a file can be read: by our route, and by a bare get of the same object. */
interface Stored {
  url: string;
  bareUrl: string;
}

/** One way to store a file. */
interface Way {
  /** Gives what makes it a file that can be read: for a checkpoint, the commit. */
  up(plane: Plane, size: number): Promise<() => Promise<Stored | null>>;
}

const bare: Way = {
  async up({ url }, size) {
    await send("PUT", `${url}/bare/objects/file`, size);
    return () => Promise.resolve(null);
  },
};

const uploaded = z.object({ id: z.string(), upload_url: z.string() });

const session: Way = {
  async up({ client, apiKey }, size) {
    const body = { filename: "bench.jsonl", size_bytes: size };
    const { id, upload_url: url } = await client.post("/anneal/v1/uploads", body, uploaded);
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const end = Math.min(size, at + PIECE_BYTES);
      const range = `bytes ${String(at)}-${String(end - 1)}/${String(size)}`;
      await send("PUT", url, end - at, { authorization: `Bearer ${apiKey}`, "content-range": range });
    }
    await client.post(`/anneal/v1/uploads/${id}/complete`, {}, z.object({ state: z.literal("completed") }));
    return () => Promise.resolve(null);
  },
};

const fileUrl = z.object({ files: z.tuple([z.object({ url: z.string() })]) });

/** As the agent does it; its hashing, which it does while it reads the file, is done before. */
const checkpoint: Way = {
  async up(plane, size) {
    const datasetId = await uploadDataset(plane.client, [{ prompt: "p", completion: "c" }]);
    const job = await createJob(plane.client, { datasetId });
    const lease = await Lease.claim(plane, job);
    const file = { role: "resume", path: "weights.bin", size } as const;
    const begun = await lease.begin({ kind: "resume", step: 1, files: [file] });
    const [given] = begun.files;
    if (!given) throw new Error("nothing to upload");
    const parts: { number: number; size: number; md5: string; etag: string }[] = [];
    for (const part of given.parts) {
      const md5 = digestOf("md5", part.size);
      const headers = { ...part.headers, "content-md5": md5.toString("base64") };
      const { etag } = partReceipt.parse(JSON.parse(await send("PUT", part.url, part.size, headers)));
      parts.push({ number: part.number, size: part.size, md5: md5.toString("hex"), etag });
    }
    const sha256 = digestOf("sha256", size).toString("hex");
    return async () => {
      const id = await lease.commit({
        ...{ checkpoint_id: begun.checkpoint_id, kind: "resume", step: 1, epoch: 1, world_size: 1, torch_threads: 1 },
        versions: {},
        files: [{ ...file, sha256, upload: given.upload, parts }],
      });
      lease.stop();
      const { files } = await plane.client.get(`/anneal/v1/jobs/${job}/checkpoints/ckpt_${id}`, fileUrl);
      return { url: files[0].url, bareUrl: await bareUrlOf(plane.url, `ckpt/${job.slice("job_".length)}/`, size) };
    };
  },
};

const digests = new Map<string, Buffer>();

/** Each once: the bytes are the same every time. */
function digestOf(algorithm: "md5" | "sha256", size: number): Buffer {
  const key = `${algorithm} ${String(size)}`;
  const known = digests.get(key) ?? digest(algorithm, size);
  digests.set(key, known);
  return known;
}

const WAYS = { bare, session, checkpoint };
type Name = keyof typeof WAYS;
const NAMES = ["bare", "session", "checkpoint"] as const;

/** MB/s of each round, and the growth of workerd's memory. */
interface Seen {
  up: number[];
  commit: number[];
  down: number[];
  bareDown: number[];
  upMib: number;
  downMib: number;
  bareDownMib: number;
}

export const bytes: Benchmark = {
  name: "bytes",
  what: "1 GiB up and down ÷ a bare R2 put and get, and workerd's memory",
  async run(options) {
    const size = (options.quick ? 80 : 1024) * MIB;
    for (const known of [PIECE_BYTES, size, WARM_UP_BYTES])
      for (const algorithm of ["md5", "sha256"] as const) digestOf(algorithm, known);
    const nothing = { upMib: 0, downMib: 0, bareDownMib: 0 };
    const seen = Object.fromEntries(
      NAMES.map((name) => [name, { up: [], commit: [], down: [], bareDown: [], ...nothing }]),
    ) as unknown as Record<Name, Seen>;
    await withPlane(options, {}, (plane) => speeds(plane, options, size, seen));
    // A fresh workerd for each: what one has left behind would hide what the next one takes.
    for (const name of NAMES) await withPlane(options, {}, (plane) => memoryUp(plane, name, size, seen[name]));
    await withPlane(options, {}, (plane) => memoryDown(plane, size, seen.checkpoint));
    return judge(seen, size);
  },
};

async function speeds(plane: Plane, { quick, say }: Options, size: number, seen: Record<Name, Seen>): Promise<void> {
  for (const name of NAMES) await (await WAYS[name].up(plane, WARM_UP_BYTES))();
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    const isEven = round % 2 === 0;
    for (const name of isEven ? NAMES : [...NAMES].reverse()) {
      const { up, commit, down, bareDown } = seen[name];
      const finish = await timed(size, up, () => WAYS[name].up(plane, size));
      say(`bytes: ${name} up ${rate(up)}`);
      const stored = await timed(size, commit, finish);
      if (!stored) continue;
      const reads = [() => timed(size, down, () => receive(stored.url, size))];
      reads.push(() => timed(size, bareDown, () => receive(stored.bareUrl, size)));
      for (const read of isEven ? reads : reads.reverse()) await read();
      say(`bytes: commit ${rate(commit)}, down ${rate(down)}, by a bare get ${rate(bareDown)}`);
    }
  }
}

function rate(rates: number[]): string {
  return `${(rates.at(-1) ?? NaN).toFixed(0)} MB/s`;
}

async function timed<T>(size: number, rates: number[], work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const result = await work();
  rates.push(size / 1000 / (performance.now() - startedAtMs));
  return result;
}

async function memoryUp(plane: Plane, name: Name, size: number, seen: Seen): Promise<void> {
  await (
    await WAYS[name].up(plane, WARM_UP_BYTES)
  )();
  let finish = (): Promise<unknown> => Promise.resolve();
  seen.upMib = await growthMib(plane.pid, async () => {
    finish = await WAYS[name].up(plane, size);
  });
  await finish();
}

/** Of a workerd that has done nothing before but serve one small page. */
async function memoryDown(plane: Plane, size: number, seen: Seen): Promise<void> {
  const stored = await (await checkpoint.up(plane, size))();
  if (!stored) throw new Error("the checkpoint was not stored");
  const grown = async (url: string): Promise<number> => {
    await plane.restart();
    return growthMib(plane.pid, () => receive(url, size));
  };
  seen.downMib = await grown(stored.url);
  seen.bareDownMib = await grown(stored.bareUrl);
}

function judge({ bare: plain, session: sent, checkpoint: saved }: Record<Name, Seen>, size: number): Result[] {
  const ratio = (name: string, ours: number[], theirs: number[], how: string): Result => {
    const detail = `${median(ours).toFixed(0)} MB/s ÷ ${median(theirs).toFixed(0)} MB/s ${how}, ${String(size / MIB)} MiB, medians of ${String(ours.length)} interleaved rounds`;
    return atLeast(`bytes/${name}`, median(ours) / median(theirs), "×", RATE_RATIO, detail);
  };
  const more = (name: string, ours: number, theirs: number): Result => {
    const detail = `workerd grew by ${ours.toFixed(0)} MiB, by the bare route ${theirs.toFixed(0)} MiB; the most resident while it ran less before, a fresh one each`;
    return atMost(`bytes/${name}`, ours - theirs, "MiB", MORE_MEMORY_MIB, detail);
  };
  return [
    ratio("up-session", sent.up, plain.up, "of a bare put"),
    ratio("up-checkpoint", saved.up, plain.up, "of a bare put; its parts, as R2 has them"),
    ratio("commit-checkpoint", saved.commit, saved.bareDown, "of a bare get: only the simulator has it read all back"),
    ratio("down", saved.down, saved.bareDown, "of a bare get of the same object"),
    more("memory-up-session", sent.upMib, plain.upMib),
    more("memory-up-checkpoint", saved.upMib, plain.upMib),
    more("memory-down", saved.downMib, saved.bareDownMib),
  ];
}
