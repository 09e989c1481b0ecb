/** Upload sessions over HTTP: `/anneal/v1/uploads`, and the datasets that are made of them. */
import { env } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { dataset, upload } from "../../worker/dialects/anneal/schema";
import { jsonl } from "../harness/jsonl";
import { answered, downloaded, newAccount, PROMPTS, refused, send, type Sent } from "./anneal-client";

const MIB = 1024 * 1024;
const UPLOADS = "/anneal/v1/uploads";

/** Two parts and a little more. */
const file = Buffer.concat([...jsonl(33 * MIB)]);
const sha256 = createHash("sha256").update(file).digest("hex");

async function key(): Promise<string> {
  return (await newAccount()).api_key;
}

function create(apiKey: string, body: Record<string, unknown> = {}) {
  return answered(send("POST", UPLOADS, apiKey, { body: { filename: "rows.jsonl", ...body } }), 201, upload);
}

function put(apiKey: string, id: string, bytes: Uint8Array, contentRange?: string): Promise<Response> {
  const sent: Sent = { raw: bytes, headers: contentRange === undefined ? {} : { "content-range": contentRange } };
  return send("PUT", `${UPLOADS}/${id}`, apiKey, sent);
}

/** Bytes `from` to before `to` of `bytes`, as a piece with its range. */
function piece(apiKey: string, id: string, bytes: Uint8Array, from: number, to: number, total: number | "*" = "*") {
  return put(apiKey, id, bytes.subarray(from, to), `bytes ${String(from)}-${String(to - 1)}/${String(total)}`);
}

function complete(apiKey: string, id: string, body: Record<string, unknown> = {}): Promise<Response> {
  return send("POST", `${UPLOADS}/${id}/complete`, apiKey, { body });
}

function makeDataset(apiKey: string, body: Record<string, unknown>): Promise<Response> {
  return send("POST", "/anneal/v1/datasets", apiKey, { body });
}

const objectOf = (id: string) => env.UPLOAD.getByName(id.slice("up_".length));

describe("an upload in pieces", () => {
  it(
    "takes pieces of any size, twice too, keeps equal parts, and becomes a dataset without a copy",
    { timeout: 60_000 },
    async () => {
      const apiKey = await key();
      const made = await create(apiKey, { size_bytes: file.byteLength });
      expect(made).toMatchObject({ state: "open", offset: 0, size_bytes: file.byteLength, part_bytes: 16 * MIB });
      const cuts = [0, 1, 5 * MIB + 3, 16 * MIB, 16 * MIB + 1, 32 * MIB + 7, file.byteLength];
      for (const [n, from] of cuts.slice(0, -1).entries()) {
        const to = cuts[n + 1] ?? 0;
        const state = await answered(piece(apiKey, made.id, file, from, to, file.byteLength), 200, upload);
        expect(state.offset).toBe(to);
      }
      // Once more, and one that only overlaps.
      expect((await answered(piece(apiKey, made.id, file, 0, 5 * MIB), 200, upload)).offset).toBe(file.byteLength);
      const parts = await runInDurableObject(objectOf(made.id), (_, state) => [
        state.storage.sql.exec("SELECT count(*) AS n FROM parts").one()["n"],
        state.storage.sql.exec("SELECT sum(length(bytes)) AS n FROM tail").one()["n"],
      ]);
      expect(parts).toEqual([2, file.byteLength - 32 * MIB]);

      const done = await answered(complete(apiKey, made.id, { sha256 }), 200, upload);
      expect(done).toMatchObject({ state: "completed", offset: file.byteLength, sha256 });
      expect(await answered(complete(apiKey, made.id), 200, upload)).toEqual(done);
      expect(await refused(piece(apiKey, made.id, file, 0, 9))).toMatchObject({ status: 409, code: "conflict" });

      const set = await answered(makeDataset(apiKey, { upload_id: made.id }), 201, dataset);
      expect(set).toMatchObject({ name: "rows", format: "prompt_completion", size_bytes: file.byteLength, sha256 });
      expect(set.id.slice(3)).toBe(made.id.slice(3));
      expect(await answered(makeDataset(apiKey, { upload_id: made.id }), 201, dataset)).toEqual(set);
      const stored = await env.BUCKET.list({ prefix: "datasets/" });
      expect(stored.objects.filter(({ size }) => size === file.byteLength)).toHaveLength(1);
      const link = await send("GET", `/anneal/v1/datasets/${set.id}/download`, apiKey);
      const { url } = await link.json<{ url: string }>();
      const [status, tail] = await downloaded(url, { range: "bytes=-100" });
      expect([status, tail]).toEqual([206, file.subarray(-100).toString()]);
      expect(await refused(send("DELETE", `${UPLOADS}/${made.id}`, apiKey))).toMatchObject({ status: 409 });
    },
  );

  it("is resumed by an object that has forgotten everything but what it kept", { timeout: 60_000 }, async () => {
    const apiKey = await key();
    const { id } = await create(apiKey);
    await piece(apiKey, id, file, 0, 20 * MIB);
    await evictDurableObject(objectOf(id));
    expect((await answered(send("GET", `${UPLOADS}/${id}`, apiKey), 200, upload)).offset).toBe(20 * MIB);
    await answered(piece(apiKey, id, file, 20 * MIB, file.byteLength, file.byteLength), 200, upload);
    // The hash of the first bytes is lost: what R2 has is read.
    expect((await answered(complete(apiKey, id), 200, upload)).sha256).toBe(sha256);
  });

  it("takes the whole in one body, of a size that nobody said, or of none", async () => {
    const apiKey = await key();
    const small = new TextEncoder().encode(PROMPTS);
    const { id } = await create(apiKey);
    await answered(put(apiKey, id, small), 200, upload);
    expect(await answered(complete(apiKey, id), 200, upload)).toMatchObject({ size_bytes: small.byteLength });
    const { id: empty } = await create(apiKey, { filename: "empty" });
    await answered(complete(apiKey, empty), 200, upload);
    expect(await refused(makeDataset(apiKey, { upload_id: empty }))).toMatchObject({
      status: 400,
      message: expect.stringContaining("empty") as string,
    });
  });

  it("of a CSV becomes a dataset that says so, and is checked like any other", async () => {
    const apiKey = await key();
    const csv = async (text: string): Promise<string> => {
      const { id } = await create(apiKey, { filename: "rows.csv" });
      await answered(put(apiKey, id, new TextEncoder().encode(text)), 200, upload);
      await answered(complete(apiKey, id), 200, upload);
      return id;
    };
    const made = makeDataset(apiKey, { upload_id: await csv("text,category\na,x\nb,y\n") });
    expect(await answered(made, 201, dataset)).toMatchObject({ name: "rows", file_name: "rows.csv", file_kind: "csv" });
    const short = await refused(makeDataset(apiKey, { upload_id: await csv("text,category\na,\n") }));
    expect(short).toMatchObject({ status: 400, field: "file", line: 2 });
  });

  it("says the size or asks by a range without bytes, and takes an open end", async () => {
    const apiKey = await key();
    const { id } = await create(apiKey);
    const small = new TextEncoder().encode(PROMPTS);
    const ask = (range: string) => send("PUT", `${UPLOADS}/${id}`, apiKey, { headers: { "content-range": range } });
    await answered(put(apiKey, id, small.subarray(0, 10), "bytes 0-*/*"), 200, upload);
    expect(await answered(ask("bytes */*"), 200, upload)).toMatchObject({ offset: 10, size_bytes: null });
    const total = small.byteLength;
    expect(await answered(ask(`bytes */${String(total)}`), 200, upload)).toMatchObject({ size_bytes: total });
    expect(await refused(complete(apiKey, id))).toMatchObject({
      status: 409,
      message: `10 of ${String(total)} bytes have come; go on from byte 10`,
    });
    expect(await refused(ask("bytes */7"))).toMatchObject({ status: 400, field: "content-range" });
  });
});

describe("what an upload refuses", () => {
  it("a gap says where to go on; a range that is not one, is too long or is another size says so", async () => {
    const apiKey = await key();
    const { id } = await create(apiKey, { size_bytes: 100 });
    const bytes = new Uint8Array(101);
    await answered(piece(apiKey, id, bytes, 0, 40), 200, upload);
    const gap = await piece(apiKey, id, bytes, 50, 60);
    expect(gap.headers.get("upload-offset")).toBe("40");
    expect(await refused(gap)).toMatchObject({
      status: 409,
      code: "conflict",
      message: "the next byte is 40, not 50",
    });
    for (const range of ["bytes=0-9", "bytes 9-0/10", "bytes 0-9/5", "bytes 0-9/x", "bytes 0-8/10"]) {
      expect(await refused(put(apiKey, id, bytes.subarray(0, 10), range))).toMatchObject({
        status: 400,
        field: "content-range",
      });
    }
    expect(await refused(piece(apiKey, id, bytes, 40, 101))).toMatchObject({ status: 400, field: "content-range" });
    expect(await refused(piece(apiKey, id, bytes, 40, 50, 99))).toMatchObject({ status: 400 });
    expect((await answered(send("GET", `${UPLOADS}/${id}`, apiKey), 200, upload)).offset).toBe(40);
  });

  it("bytes with another SHA-256 than was said are dropped", async () => {
    const apiKey = await key();
    const { id } = await create(apiKey, { sha256: "0".repeat(64) });
    await put(apiKey, id, file.subarray(0, 1000));
    const answer = await refused(complete(apiKey, id));
    expect(answer).toMatchObject({ status: 400, field: "sha256" });
    expect(await answered(send("GET", `${UPLOADS}/${id}`, apiKey), 200, upload)).toMatchObject({
      state: "aborted",
      offset: 0,
    });
    expect(await env.BUCKET.head(keyOf(await row(id)))).toBeNull();
  });

  it("what is another account's, too large, or one too many", async () => {
    const [mine, other] = [await key(), await key()];
    const { id } = await create(mine);
    const path = `${UPLOADS}/${id}`;
    for (const [method, to] of [
      ["GET", path],
      ["PUT", path],
      ["DELETE", path],
      ["POST", `${path}/complete`],
    ] as const) {
      const sent = method === "POST" ? { body: {} } : {};
      expect(await refused(send(method, to, other, sent))).toMatchObject({ status: 404 });
    }
    expect(await refused(makeDataset(other, { upload_id: id }))).toMatchObject({ status: 404, field: "upload_id" });
    expect(await refused(makeDataset(mine, { upload_id: id }))).toMatchObject({ status: 409, field: "upload_id" });
    const body = { filename: "f", size_bytes: 2 ** 45 };
    expect(await refused(send("POST", UPLOADS, mine, { body }))).toMatchObject({ status: 413, field: "size_bytes" });
    await env.DB.prepare(
      `INSERT INTO uploads SELECT 'x' || value, account_id, project_id, purpose, filename, content_type, size_bytes, sha256,
         state, r2_key, created_at_ms, expires_at_ms FROM uploads AS u, json_each(?) AS n WHERE u.id = ?`,
    )
      .bind(JSON.stringify(Array.from({ length: 99 }, (_, n) => n)), id.slice(3))
      .run();
    expect(await refused(send("POST", UPLOADS, mine, { body: { filename: "f" } }))).toMatchObject({ status: 429 });
  });

  it("a bad line names itself as in a direct upload, and no dataset is made", async () => {
    const apiKey = await key();
    const { id } = await create(apiKey);
    await put(apiKey, id, new TextEncoder().encode('{"prompt":"a"}\n{"prompt":'));
    await complete(apiKey, id);
    const made = await refused(makeDataset(apiKey, { upload_id: id }));
    const direct = await refused(
      send("POST", "/anneal/v1/datasets?name=d", apiKey, { raw: '{"prompt":"a"}\n{"prompt":' }),
    );
    expect(made).toEqual(direct);
    expect(made).toMatchObject({ status: 400, field: "file", line: 2 });
  });
});

describe("the end of an upload", () => {
  it("is completed by a repeat when D1 was away after R2 had made the object whole", { timeout: 60_000 }, async () => {
    const apiKey = await key();
    const { id } = await create(apiKey);
    await piece(apiKey, id, file, 0, file.byteLength);
    await env.DB.exec("CREATE TRIGGER away BEFORE UPDATE ON uploads BEGIN SELECT RAISE(ABORT, 'D1 is away'); END");
    expect((await complete(apiKey, id)).status).toBe(500);
    await env.DB.exec("DROP TRIGGER away");
    // What was said to be the whole stays so.
    const more = piece(apiKey, id, new Uint8Array(file.byteLength + 1), file.byteLength, file.byteLength + 1);
    expect(await refused(more)).toMatchObject({ status: 400 });
    expect(await answered(complete(apiKey, id), 200, upload)).toMatchObject({ size_bytes: file.byteLength, sha256 });
  });

  it("is its abortion, which drops the bytes and may be repeated", { timeout: 30_000 }, async () => {
    const apiKey = await key();
    const { id } = await create(apiKey);
    await piece(apiKey, id, file, 0, 17 * MIB);
    for (let n = 0; n < 2; n += 1) expect((await send("DELETE", `${UPLOADS}/${id}`, apiKey)).status).toBe(200);
    expect(await refused(piece(apiKey, id, file, 0, 9))).toMatchObject({ status: 409 });
    expect(await answered(send("GET", `${UPLOADS}/${id}`, apiKey), 200, upload)).toMatchObject({ state: "aborted" });
  });

  it("is its expiry by its own alarm, unless its bytes are a dataset's", async () => {
    const apiKey = await key();
    const small = new TextEncoder().encode(PROMPTS);
    const [left, used] = [await create(apiKey), await create(apiKey)];
    for (const { id } of [left, used]) {
      await put(apiKey, id, small);
      await answered(complete(apiKey, id), 200, upload);
    }
    await answered(makeDataset(apiKey, { upload_id: used.id }), 201, dataset);
    for (const { id } of [left, used]) expect(await runDurableObjectAlarm(objectOf(id))).toBe(true);
    const states = await Promise.all([left, used].map(async ({ id }) => (await row(id))["state"]));
    expect(states).toEqual(["expired", "used"]);
    expect(await env.BUCKET.head(keyOf(await row(left.id)))).toBeNull();
    expect(await env.BUCKET.head(keyOf(await row(used.id)))).not.toBeNull();
    expect(await refused(makeDataset(apiKey, { upload_id: left.id }))).toMatchObject({ status: 409 });
  });
});

async function row(id: string): Promise<Record<string, unknown>> {
  const found = await env.DB.prepare("SELECT * FROM uploads WHERE id = ?").bind(id.slice(3)).first();
  if (!found) throw new Error("no such upload");
  return found;
}

function keyOf(upload: Record<string, unknown>): string {
  return String(upload["r2_key"]);
}
