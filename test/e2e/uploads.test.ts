/** Uploads over real HTTP from clients that are killed in the middle: what the worker says it has is there to go on from. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { sendByCurl, type Piece } from "../harness/curl-upload";
import { waitFor } from "../harness/jobs";
import { jsonl } from "../harness/jsonl";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";

const MIB = 2 ** 20;
/** Bytes that may be on their way, in the buffers of pipes, sockets and proxies, when curl is killed. */
const ON_THE_WAY_BYTES = 8 * MIB;

const upload = z.object({ id: z.string(), offset: z.number(), state: z.string(), upload_url: z.string() });
const dataset = z.object({ id: z.string(), sha256: z.string(), size_bytes: z.number() });

const bytes = Buffer.concat([...jsonl(40 * MIB)]);
const total = bytes.length;
const sha256 = createHash("sha256").update(bytes).digest("hex");

let plane: TestPlane;
let account: TestAccount;
let dir: string;
let file: string;

beforeAll(async () => {
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 4_000, resumeIntervalMs: 60_000 });
  account = await plane.account("uploads");
  dir = mkdtempSync(path.join(tmpdir(), "anneal-uploads-"));
  file = path.join(dir, "rows.jsonl");
  await writeFile(file, bytes);
});

afterAll(async () => {
  await plane.close();
  rmSync(dir, { recursive: true });
});

async function begin() {
  const body = { filename: "rows.jsonl", size_bytes: total };
  const made = await account.client.post("/anneal/v1/uploads", body, upload);
  const resource = `/anneal/v1/uploads/${made.id}`;
  return {
    id: made.id,
    resource,
    offset: async () => (await account.client.get(resource, upload)).offset,
    send: (piece: Omit<Piece, "total">) => sendByCurl(made.upload_url, account.api_key, file, { ...piece, total }),
  };
}

it("goes on from the offset after each kill in the middle of a piece, and is byte for byte the file", async () => {
  const { id, resource, offset, send } = await begin();
  let at = 0;
  for (const [piece, killAfterBytes] of [
    [30 * MIB + 5, 25 * MIB],
    [3 * MIB + 1, Infinity],
    [total, 10 * MIB],
  ] as const) {
    const from = at;
    const to = Math.min(total, from + piece);
    const sent = await send({ from, to, killAfterBytes, rate: "24M" });
    const whole = killAfterBytes === Infinity;
    expect(sent.status).toBe(whole ? 200 : null);
    // The worker hears of the break a little later than we do.
    const least = whole ? to : from + killAfterBytes - ON_THE_WAY_BYTES;
    at = await waitFor("the bytes to be kept", 10_000, async () => {
      const told = await offset();
      return told >= least ? told : null;
    });
    expect(at).toBeLessThanOrEqual(from + sent.givenBytes);
  }
  expect(at).toBeLessThan(total);
  expect((await send({ from: at, to: total })).status).toBe(200);
  await account.client.post(`${resource}/complete`, { sha256 }, z.object({ state: z.literal("completed") }));
  const made = await account.client.post("/anneal/v1/datasets", { upload_id: id }, dataset);
  expect(made).toMatchObject({ sha256, size_bytes: total });

  const { url } = await account.client.get(`/anneal/v1/datasets/${made.id}/download`, z.object({ url: z.string() }));
  expect(
    createHash("sha256")
      .update(await bytesOf(url))
      .digest("hex"),
  ).toBe(sha256);
  // Across the border of two parts, and to the end.
  for (const [first, last] of [
    [16 * MIB - 3, 16 * MIB + 4],
    [32 * MIB - 1, total - 1],
  ] as const) {
    const range = { range: `bytes=${String(first)}-${String(last)}` };
    expect((await bytesOf(url, range)).equals(bytes.subarray(first, last + 1))).toBe(true);
  }
});

it("is taken over by a second request while the first is still sending", async () => {
  const { offset, send } = await begin();
  const first = { done: new Promise<unknown>(() => undefined), given: 0 };
  const flowing = new Promise<void>((resolve) => {
    first.done = send({ from: 0, to: total, rate: "2M", onGiven: (given) => given > 2 * MIB && resolve() });
  });
  await flowing;
  expect((await send({ from: 0, to: 17 * MIB })).status).toBe(200);
  expect(await first.done).toMatchObject({ status: 409, body: expect.stringContaining("taken over") as string });
  expect(await offset()).toBe(17 * MIB);
});

async function bytesOf(url: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const response = await fetch(url, { headers });
  expect(response.status).toBe("range" in headers ? 206 : 200);
  return Buffer.from(await response.arrayBuffer());
}

/** More than one batch has. */
const ROWS = 12_000;
const anyRuns = z.array(z.unknown());

function rowsOf(tag: string): Buffer {
  const row = { interaction: "I", prompt: [{ role: "user", content: "hi" }], status: "completed", tags: [tag] };
  return Buffer.from(`${JSON.stringify(row)}\n`.repeat(ROWS));
}

async function importWhole(): Promise<void> {
  const answer = await fetch(`${plane.url}/api/v1/runs/import`, {
    method: "POST",
    headers: { authorization: `Bearer ${account.api_key}`, "content-type": "application/x-ndjson" },
    body: rowsOf("whole"),
  });
  expect(await answer.json()).toMatchObject({ imported: ROWS });
}

it.each(["with a length", "without one"])(
  "keeps no run of an import, sent %s, whose sender is cut off",
  async (how) => {
    // Cut between two rows: what has come looks whole.
    const rows = rowsOf(how);
    const { hostname, port } = new URL(plane.url);
    const socket = connect(Number(port), hostname);
    const isSized = how === "with a length";
    socket.write(
      `POST /api/v1/runs/import HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${account.api_key}\r\n` +
        `Content-Type: application/x-ndjson\r\n` +
        (isSized ? `Content-Length: ${String(2 * rows.length)}\r\n\r\n` : "Transfer-Encoding: chunked\r\n\r\n"),
    );
    if (!isSized) socket.write(`${rows.length.toString(16)}\r\n`);
    await new Promise((sent) => socket.write(rows, sent));
    if (!isSized) await new Promise((sent) => socket.write("\r\n", sent));
    // What runs beside it for as long tells when it has been read, and then when it has ended.
    await importWhole();
    socket.destroy();
    await importWhole();
    expect(await account.client.get(`/api/v1/runs?tag=${encodeURIComponent(how)}`, anyRuns)).toEqual([]);
  },
);
