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
import { digest, MIB, receive, send } from "../transfer";

const RATE_RATIO = 0.8;
const MORE_MEMORY_MIB = 32;
/** A client's piece of an upload; what the worker makes of it is its own. */
const PIECE_BYTES = 64 * MIB;

const WARM_UP_BYTES = 16 * MIB;

/** One way to store a file and, where it can be had again at once, to read it. */
interface Way {
  /** Gives what `down` needs. */
  up(plane: Plane, size: number): Promise<string>;
  down?(plane: Plane, stored: string, size: number): Promise<void>;
}

const bare: Way = {
  async up({ url }, size) {
    await send("PUT", `${url}/bare/objects/file`, size);
    return `${url}/bare/objects/file`;
  },
  down: (_plane, stored, size) => receive(stored, size),
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
    return id;
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
    const parts = [];
    for (const part of given.parts) {
      const md5 = digestOf("md5", part.size);
      const headers = { ...part.headers, "content-md5": md5.toString("base64") };
      const { etag } = partReceipt.parse(JSON.parse(await send("PUT", part.url, part.size, headers)));
      parts.push({ number: part.number, size: part.size, md5: md5.toString("hex"), etag });
    }
    const sha256 = digestOf("sha256", size).toString("hex");
    const id = await lease.commit({
      ...{ checkpoint_id: begun.checkpoint_id, kind: "resume", step: 1, epoch: 1, world_size: 1, torch_threads: 1 },
      versions: {},
      files: [{ ...file, sha256, upload: given.upload, parts }],
    });
    lease.stop();
    const { files } = await plane.client.get(`/anneal/v1/jobs/${job}/checkpoints/ckpt_${id}`, fileUrl);
    return files[0].url;
  },
  down: (_plane, stored, size) => receive(stored, size),
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

interface Seen {
  up: number[];
  down: number[];
  upMib: number;
  downMib: number;
}

export const bytes: Benchmark = {
  name: "bytes",
  what: "1 GiB up and down ÷ a bare R2 put and get, and workerd's memory",
  async run(options) {
    const size = (options.quick ? 80 : 1024) * MIB;
    for (const known of [PIECE_BYTES, size, WARM_UP_BYTES])
      for (const algorithm of ["md5", "sha256"] as const) digestOf(algorithm, known);
    const seen = Object.fromEntries(
      NAMES.map((name) => [name, { up: [], down: [], upMib: 0, downMib: 0 }]),
    ) as unknown as Record<Name, Seen>;
    await withPlane(options, {}, (plane) => speeds(plane, options, size, seen));
    // A fresh workerd for each: what one has left behind would hide what the next one takes.
    for (const name of NAMES) await withPlane(options, {}, (plane) => memory(plane, name, size, seen[name]));
    return judge(seen, size);
  },
};

async function speeds(plane: Plane, { quick, say }: Options, size: number, seen: Record<Name, Seen>): Promise<void> {
  for (const name of NAMES) await WAYS[name].up(plane, WARM_UP_BYTES);
  for (let round = 0; round < (quick ? 1 : 3); round += 1) {
    for (const name of round % 2 === 0 ? NAMES : [...NAMES].reverse()) {
      const { up, down } = WAYS[name];
      const stored = await timed(size, seen[name].up, () => up(plane, size));
      if (down) await timed(size, seen[name].down, () => down(plane, stored, size));
      say(`bytes: ${name} up ${rate(seen[name].up)}${down ? `, down ${rate(seen[name].down)}` : ""}`);
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

async function memory(plane: Plane, name: Name, size: number, seen: Seen): Promise<void> {
  const { up, down } = WAYS[name];
  await up(plane, WARM_UP_BYTES);
  let stored = "";
  seen.upMib = await growthMib(plane.pid, async () => {
    stored = await up(plane, size);
  });
  if (down) seen.downMib = await growthMib(plane.pid, () => down(plane, stored, size));
}

function judge({ bare: plain, session: sent, checkpoint: saved }: Record<Name, Seen>, size: number): Result[] {
  const ratio = (name: string, ours: number[], theirs: number[]): Result => {
    const detail = `${median(ours).toFixed(0)} MB/s ÷ ${median(theirs).toFixed(0)} MB/s of a bare R2 route, ${String(size / MIB)} MiB, medians of ${String(ours.length)} interleaved rounds`;
    return atLeast(`bytes/${name}`, median(ours) / median(theirs), "×", RATE_RATIO, detail);
  };
  const more = (name: string, ours: number, theirs: number): Result => {
    const detail = `workerd grew by ${ours.toFixed(0)} MiB, by the bare route ${theirs.toFixed(0)} MiB; the most resident while it ran less before, a fresh one each`;
    return atMost(`bytes/${name}`, ours - theirs, "MiB", MORE_MEMORY_MIB, detail);
  };
  return [
    ratio("up-session", sent.up, plain.up),
    ratio("up-checkpoint", saved.up, plain.up),
    ratio("down", saved.down, plain.down),
    more("memory-up-session", sent.upMib, plain.upMib),
    more("memory-up-checkpoint", saved.upMib, plain.upMib),
    more("memory-down", saved.downMib, plain.downMib),
  ];
}
