/**
 * An agent inside the test: speaks the agent protocol to the worker's real entry, and trains what the test tells it to.
 * It has an A100, so that jobs which ask for one need no stand-in.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { ArchiveMember, BeginCheckpointResponse, DataItem, Lease, LogLine, ReportResponse } from "../../protocol";
import { ask, type Answer, type WorkerClient } from "./worker-client";

const SLOT = { id: "gpu0", kind: "gpu", gpus: [0] };
const TAR_BLOCK_BYTES = 512;

export class WorkerAgent {
  readonly #token: string;
  readonly #slot: object;

  private constructor(token: string, slot: object) {
    this.#token = token;
    this.#slot = slot;
  }

  static async register(client: WorkerClient, slot: object = SLOT): Promise<WorkerAgent> {
    const bootstrap = await client.post<{ token: string }>("/anneal/v1/agent_tokens", {});
    const registered = await post<{ agent_token: string }>("/agent/v1/register", bootstrap.body.token, {
      protocol: 1,
      nonce: crypto.randomUUID(),
      name: "agent in a test",
      agent_version: "test",
      gpus: [{ name: "NVIDIA A100-SXM4-80GB", memory_bytes: 80 * 2 ** 30 }],
      cpu_count: 2,
      memory_bytes: 2 ** 34,
      driver: "test",
      cuda_probe: { ok: true, detail: "test" },
      isolation: { level: 3, detail: "test" },
      slots: [slot],
    });
    return new WorkerAgent(mustBe(200, registered).agent_token, slot);
  }

  /** Of its requests. */
  get headers(): Record<string, string> {
    return { authorization: `Bearer ${this.#token}` };
  }

  async lease(): Promise<WorkerLease> {
    const request = { claim_id: crypto.randomUUID(), free_slots: [this.#slot], wait_ms: 0 };
    const lease = mustBe(200, await post<Lease>("/agent/v1/leases", this.#token, request));
    return new WorkerLease(this.#token, lease);
  }
}

export class WorkerLease {
  readonly lease: Lease;
  readonly #token: string;
  #seq = { data: 0, logs: 0 };

  constructor(token: string, lease: Lease) {
    this.#token = token;
    this.lease = lease;
  }

  async started(totalSteps = 10): Promise<void> {
    await this.report([
      {
        type: "started",
        ts_ms: Date.now(),
        total_steps: totalSteps,
        resumed_from_step: 0,
        world_size: 1,
        device: "cuda",
        versions: {},
      },
    ]);
  }

  async metrics(points: Record<number, Record<string, number>>): Promise<void> {
    const items = Object.entries(points).map(([step, values]) => {
      return { type: "metrics" as const, ts_ms: Date.now(), step: Number(step), kind: "train" as const, values };
    });
    await this.report(items);
  }

  async report(items: DataItem[]): Promise<void> {
    mustBe(200, await this.#post("reports", { lane: "data", seq: ++this.#seq.data, items }));
  }

  async log(...lines: string[]): Promise<ReportResponse> {
    const items = lines.map((line): LogLine => ({ ts_ms: Date.now(), stream: "stdout", line }));
    return mustBe(
      200,
      await this.#post<ReportResponse>("reports", { lane: "logs", seq: ++this.#seq.logs, lines: items }),
    );
  }

  /** A report of log lines as it is, whatever the answer. */
  logReport(seq: number, line: string): Promise<Answer> {
    return this.#post("reports", { lane: "logs", seq, lines: [{ ts_ms: 1, stream: "stdout", line }] });
  }

  /** Commits `files` as the final model and finishes. */
  async complete(files: Record<string, string>, step = 10): Promise<void> {
    await this.commitModel("final", files, step);
    await this.finish(step);
  }

  async commitModel(kind: "epoch" | "final", files: Record<string, string>, step: number, epoch = 1): Promise<void> {
    await this.#commit({ kind, step, epoch }, [archiveOf("model", files)]);
  }

  /** Ends a task that does not train: `cache` of a preprocess task, `model` and `tokenizer` of an import. */
  async completeTask(archives: Record<string, Record<string, string>>, step = 1): Promise<void> {
    const files = Object.entries(archives).map(([role, contents]) => archiveOf(role, contents));
    await this.#commit({ kind: "final", step: 0, epoch: 0 }, files);
    await this.finish(step);
  }

  /** What the test of the checkpoint of `step` has shown. */
  async commitTest(step: number, rows: object[], results: Record<string, number>): Promise<void> {
    const table = new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const file = { role: "results", path: "results.jsonl", bytes: table };
    await this.#commit({ kind: "test", step, epoch: 1, results }, [file]);
  }

  async finish(step: number): Promise<void> {
    mustBe(200, await this.#post("finish", { outcome: "completed", step }));
  }

  async #commit(
    checkpoint: { kind: string; step: number; epoch: number; results?: Record<string, number> },
    files: UploadedFile[],
  ): Promise<void> {
    const { kind, step } = checkpoint;
    const begun = mustBe(
      200,
      await this.#post<BeginCheckpointResponse>("checkpoints/begin", {
        ...{ kind, step },
        files: files.map(({ role, path, bytes }) => ({ role, path, size: bytes.byteLength })),
      }),
    );
    const uploaded = files.map((file, index) => putFile(file, begun.files[index]));
    mustBe(
      200,
      await this.#post("checkpoints/commit", {
        checkpoint_id: begun.checkpoint_id,
        ...{ ...checkpoint, world_size: 1, torch_threads: 1, versions: {} },
        files: await Promise.all(uploaded),
      }),
    );
  }

  async fail(reason: string, message: string): Promise<void> {
    mustBe(200, await this.#post("finish", { outcome: "failed", reason, message, log_tail: ["the last line"] }));
  }

  #post<T>(path: string, body: unknown): Promise<Answer<T>> {
    return post<T>(`/agent/v1/leases/${this.lease.lease_id}/${path}`, this.#token, body);
  }
}

interface UploadedFile {
  role: string;
  path: string;
  members?: ArchiveMember[];
  bytes: Uint8Array;
}

/** Puts the file, which is one part, and gives back what the commit needs. */
async function putFile({ bytes, ...file }: UploadedFile, target: BeginCheckpointResponse["files"][number] | undefined) {
  const part = target?.parts[0];
  if (!target || !part) throw new Error("no part to upload");
  const md5 = createHash("md5").update(bytes).digest();
  const put = await ask<{ etag: string }>(part.url, {
    method: "PUT",
    headers: { ...part.headers, "content-md5": md5.toString("base64") },
    body: bytes,
  });
  const size = bytes.byteLength;
  const stored = { number: 1, size, md5: md5.toString("hex"), etag: mustBe(200, put).etag };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { ...file, size, sha256, upload: target.upload, parts: [stored] };
}

function archiveOf(role: string, files: Record<string, string>): UploadedFile {
  return { role, path: `${role}.tar.gz`, ...archive(files) };
}

async function post<T>(path: string, token: string, body: unknown): Promise<Answer<T>> {
  return ask<T>(path, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

function mustBe<T>(status: number, answer: Answer<T>): T {
  if (answer.status !== status) throw new Error(`${String(answer.status)}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** A small archive in the layout of `worker/domain/stored-archive.ts`: one stored block. */
function archive(files: Record<string, string>): { bytes: Uint8Array; members: ArchiveMember[] } {
  const blocks: Buffer[] = [];
  const members: ArchiveMember[] = [];
  let offset = 0;
  for (const [path, text] of Object.entries(files)) {
    const content = Buffer.from(text);
    const padding = Buffer.alloc((TAR_BLOCK_BYTES - (content.byteLength % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES);
    members.push({ path, tar_offset: offset + TAR_BLOCK_BYTES, size: content.byteLength });
    blocks.push(tarHeader(path, content.byteLength), content, padding);
    offset += TAR_BLOCK_BYTES + content.byteLength + padding.byteLength;
  }
  return { bytes: gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * TAR_BLOCK_BYTES)]), { level: 0 }), members };
}

function tarHeader(path: string, size: number): Buffer {
  const header = Buffer.alloc(TAR_BLOCK_BYTES);
  header.write(path, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0".repeat(2), 108);
  header.write(`${size.toString(8).padStart(11, "0")}\0${"0".repeat(11)}\0`, 124);
  header.write("        0", 148);
  header.write("ustar\x0000", 257);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
