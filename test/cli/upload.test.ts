import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { apiClient } from "../../scripts/api";
import { uploadInPieces } from "../../scripts/cli/upload-session";

const BYTES = Buffer.alloc(1_000_000, "rows of data ");
const SHA256 = createHash("sha256").update(BYTES).digest("hex");
const PACING = { pieceBytes: 300_000, retryMs: 5 };

/** Takes an upload as the worker does, and breaks the line once at each byte of `breaksAt`. */
interface Deployment {
  server: Server;
  url: string;
  breaksAt: number[];
  kept: Buffer;
  state: string;
  /** Of requests with bytes: the first and the last byte that they named. */
  ranges: string[];
  begun: number;
  refusesDataset: boolean;
}

async function deployment(): Promise<Deployment> {
  const self: Deployment = {
    ...{ server: createServer(), url: "", breaksAt: [], kept: Buffer.alloc(0), state: "open", ranges: [] },
    ...{ begun: 0, refusesDataset: false },
  };
  self.server.on("request", (incoming, response) => {
    void answer(self, incoming).then((answered) => {
      if (answered === null) return void response.destroy();
      response.writeHead(answered.status, { "content-type": "application/json" }).end(JSON.stringify(answered.body));
    });
  });
  await new Promise<void>((resolve) => self.server.listen(0, "127.0.0.1", resolve));
  self.url = `http://127.0.0.1:${String((self.server.address() as AddressInfo).port)}`;
  return self;
}

async function answer(self: Deployment, incoming: IncomingMessage): Promise<{ status: number; body: unknown } | null> {
  const call = `${String(incoming.method)} ${String(incoming.url)}`;
  const state = () => ({ status: 200, body: { id: "up_1", state: self.state, offset: self.kept.length } });
  if (call === "PUT /anneal/v1/uploads/up_1") return (await take(self, incoming)) ? state() : null;
  const sent = await bodyOf(incoming);
  switch (call) {
    case "POST /anneal/v1/uploads":
      expect(sent).toEqual({ filename: "rows.jsonl", size_bytes: BYTES.length });
      Object.assign(self, { begun: self.begun + 1, kept: Buffer.alloc(0), state: "open" });
      return { ...state(), status: 201 };
    case "GET /anneal/v1/uploads/up_1":
      return state();
    case "POST /anneal/v1/uploads/up_1/complete":
      expect([sent, self.kept.equals(BYTES)]).toEqual([{ sha256: SHA256 }, true]);
      self.state = "completed";
      return state();
    case "POST /anneal/v1/datasets":
      expect(sent).toEqual({ upload_id: "up_1", name: "rows" });
      if (self.refusesDataset) return { status: 400, body: { error: { code: "invalid_request", message: "line 7" } } };
      return { status: 201, body: { id: "ds_1" } };
    case "DELETE /anneal/v1/uploads/up_1":
      self.state = "aborted";
      return { status: 200, body: { id: "up_1", deleted: true } };
    default:
      throw new Error(`the deployment knows no ${call}`);
  }
}

/** False when the line is to break here. */
async function take(self: Deployment, incoming: IncomingMessage): Promise<boolean> {
  const range = /^bytes (\d+)-(\d+)\/1000000$/.exec(incoming.headers["content-range"] ?? "");
  expect(Number(range?.[1])).toBe(self.kept.length);
  self.ranges.push(`${String(range?.[1])}-${String(range?.[2])}`);
  for await (const chunk of incoming) {
    self.kept = Buffer.concat([self.kept, chunk as Buffer]);
    const [next = Infinity] = self.breaksAt;
    if (self.kept.length <= next) continue;
    self.kept = self.kept.subarray(0, next);
    self.breaksAt.shift();
    return false;
  }
  return true;
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  const text = (await incoming.setEncoding("utf8").toArray()).join("");
  return text === "" ? null : JSON.parse(text);
}

let dir: string;
let file: string;
let there: Deployment;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), "anneal-cli-"));
  vi.stubEnv("ANNEAL_STATE_DIR", path.join(dir, "state"));
  file = path.join(dir, "rows.jsonl");
  await writeFile(file, BYTES);
  there = await deployment();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  there.server.closeAllConnections();
  there.server.close();
  await rm(dir, { recursive: true });
});

const upload = () => uploadInPieces(apiClient(there.url, "k"), file, "rows", PACING);
const remembered = () => readdirSync(path.join(dir, "state", "uploads"));

describe("a large file", () => {
  it("goes on at the byte that was kept, when the line breaks in the middle of a piece", async () => {
    there.breaksAt = [123_457, 777_777];
    expect(await upload()).toEqual({ id: "ds_1" });
    const starts = there.ranges.map((range) => Number(range.split("-")[0]));
    expect(starts).toEqual([0, 123_457, 423_457, 723_457, 777_777]);
    expect([there.begun, remembered()]).toEqual([1, []]);
  });

  it("is taken up by a later run, unless the file has changed since", async () => {
    // The first of them comes after new bytes.
    there.breaksAt = Array.from({ length: 9 }, () => 400_000);
    await expect(upload()).rejects.toThrow();
    expect([there.kept.length, remembered()]).toEqual([400_000, [expect.stringMatching(/\.json$/)]]);
    there.ranges = [];
    await upload();
    expect([there.ranges[0], there.begun]).toEqual(["400000-699999", 1]);
    await utimes(file, 1, 1);
    await upload();
    expect(there.begun).toBe(2);
  });

  it("that is refused leaves nothing behind", async () => {
    there.refusesDataset = true;
    await expect(upload()).rejects.toThrow("line 7");
    expect([there.state, remembered()]).toEqual(["aborted", []]);
  });
});
