import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "undici";
import { afterAll, describe, expect, it } from "vitest";
import { downloadFile } from "../../agent/src/download";
import {
  addTask,
  ending,
  leapingRetrier,
  LeapingClock,
  start,
  started,
  until,
  useBench,
  type Operation,
} from "./support";

const bench = useBench();
const dispatcher = new Agent();
afterAll(() => dispatcher.destroy());
const { signal } = new AbortController();

describe("downloadFile", () => {
  const bytes = randomBytes(1_000_000);
  const fetch = async (source: { url: string; size: number; sha256: string }): Promise<Buffer> => {
    const path = join(bench().dir, "file");
    const retrier = leapingRetrier(new LeapingClock());
    await downloadFile(source, path, { baseUrl: bench().api.url, dispatcher, retrier }, signal);
    return readFileSync(path);
  };

  it("goes on where a download broke off", async () => {
    const { files } = bench().api;
    files.breakDownloads = { times: 2, afterBytes: 300_000 };
    expect((await fetch(files.offer(bytes))).equals(bytes)).toBe(true);
    expect(files.ranges).toEqual([
      undefined,
      expect.stringMatching(/^bytes=\d+-$/),
      expect.stringMatching(/^bytes=\d+-$/),
    ]);
    const from = files.ranges.slice(1).map((range) => Number(/\d+/.exec(range ?? "")?.[0]));
    expect(from[0]).toBeGreaterThan(0);
    expect(from[1]).toBeGreaterThan(from[0] ?? Infinity);
  });

  it("tries a wrong file once more and then refuses it", async () => {
    const { files } = bench().api;
    await expect(fetch(files.offer(bytes, { sha256: "0".repeat(64) }))).rejects.toThrow("SHA-256 is");
    expect(files.ranges).toHaveLength(2);
    await expect(fetch(files.offer(bytes, { size: bytes.length - 1 }))).rejects.toThrow("more than");
  });

  it("waits out a busy server, and takes other answers for what they are", async () => {
    const { api } = bench();
    api.faults.push({ path: /^\/files/, times: 1, answer: { status: 503, retryAfter: "1" } });
    expect((await fetch(api.files.offer(bytes))).equals(bytes)).toBe(true);
    await expect(fetch({ url: "/files/unknown", size: 1, sha256: "0".repeat(64) })).rejects.toThrow("404");
  });

  it("takes an empty file", async () => {
    expect(await fetch(bench().api.files.offer(Buffer.alloc(0)))).toEqual(Buffer.alloc(0));
  });
});

describe("checkpoints", () => {
  /** A number is a file of so many bytes. */
  const big = { "model.safetensors": 200_000, "config.json": "{}" };

  it("are uploaded in parts; a part that breaks is sent again", async () => {
    const { api } = bench();
    addTask(api);
    api.files.breakParts.set(2, 2);
    const final: Operation = { op: "checkpoint", kind: "final", files: big, adapter: { "adapter.safetensors": "a" } };
    expect(await start(bench(), [started, { op: "train", to: 2 }, final, { op: "finished" }]).done).toBe(0);
    const [model, adapter] = api.only.committed[0]?.files ?? [];
    expect(model?.parts.length).toBe(4);
    expect(model?.members?.map(({ path, size }) => [path, size])).toEqual([
      ["config.json", 2],
      ["model.safetensors", 200_000],
    ]);
    expect(adapter).toMatchObject({ role: "adapter", path: "adapter.tar.gz" });
    expect(api.files.refusedParts).toEqual([]);
  });

  it("are begun again at fresh keys when the worker refuses, and given up after three times", async () => {
    const { api } = bench();
    addTask(api);
    api.faults.push({ path: /^\/parts/, times: 1, answer: { status: 403 } });
    api.faults.push({ path: /commit$/, times: 1, answer: { status: 422 } });
    expect(await start(bench(), [started, ...ending]).done).toBe(0);
    expect(api.only.begun.size).toBe(3);
    api.leases.clear();

    addTask(api);
    api.faults.push({ path: /commit$/, times: 3, answer: { status: 422, code: "checksum" } });
    expect(await start(bench(), [started, ...ending]).done).toBe(1);
    expect(api.only.finish).toMatchObject({ outcome: "failed", reason: "upload_failed" });
    expect(api.only.committed).toEqual([]);
  });

  it("keep the newest resume checkpoint when uploads are slower than training, and every epoch", async () => {
    const { api, dir } = bench();
    addTask(api);
    const go = join(dir, "go");
    api.faults.push({ path: /begin$/, times: 1, answer: { status: 503 } });
    const resume: Operation = { op: "checkpoint", kind: "resume" };
    const epoch: Operation = { op: "checkpoint", kind: "epoch" };
    const train = (to: number): Operation => ({ op: "train", to });
    const script = [started, train(1), resume, train(2), resume, epoch, train(3), resume, train(4), resume];
    const agent = start(bench(), [...script, { op: "wait_file", path: go }, ...ending]);
    await until(() => [...api.leases.values()][0]?.committed.length === 3, "three commits");
    expect(api.only.committed.map(({ kind, step }) => `${kind} ${step}`)).toEqual(["resume 1", "epoch 2", "resume 4"]);
    // What was committed or dropped is gone from the disk.
    const output = join(dir, "state/tasks", api.only.lease.lease_id, "output");
    await until(() => readdirSync(output).length === 0, "an empty output folder");
    writeFileSync(go, "");
    expect(await agent.done).toBe(0);
  });

  it("are committed only after the metrics before them have been taken", async () => {
    const { api } = bench();
    addTask(api);
    api.flushMs = 60_000;
    expect(await start(bench(), [{ op: "started", total: 5 }, { op: "train", to: 5 }, ...ending]).done).toBe(0);
    expect(api.dataAtCommit).toEqual([11]);
  });
});
