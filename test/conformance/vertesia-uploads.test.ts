/** Upload URLs of training sessions: what a storage service's clients may send to them, and what becomes of it. */
import { env } from "cloudflare:workers";
import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { SignedTokens } from "../../worker/stores/signed-tokens";
import { jsonl } from "../harness/jsonl";
import { downloaded, newAccount, ORIGIN, send } from "./anneal-client";

const MIB = 1024 * 1024;
const TRAINING = "/api/v1/training";
/** One part and a little more. */
const file = Buffer.concat([...jsonl(17 * MIB)]);
const SMALL = '{"text":"one"}\n{"text":"two"}\n';

interface StoredObject {
  name: string;
  size: string;
  contentType: string | null;
  md5Hash: string;
  sha256: string;
  dataset: { name: string; rows: number; format: string } | null;
  problem: string | null;
}

let apiKey: string;
let environment: string;

async function api<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await send(method, path, apiKey, body === undefined ? {} : { body });
  const text = await answer.text();
  expect([answer.status, text]).toEqual([200, text]);
  return JSON.parse(text) as T;
}

beforeAll(async () => {
  apiKey = (await newAccount()).api_key;
  const made = await api<{ id: string }>("POST", "/api/v1/environments", { name: "here", provider: "test" });
  environment = made.id;
});

async function newSession(name = "songs"): Promise<string> {
  const body = { name, env: environment, model: "anneal/tiny-llama" };
  return (await api<{ id: string }>("POST", TRAINING, body)).id;
}

async function uploadUrl(session: string, resumable = true): Promise<string> {
  const { url } = await api<{ url: string }>(
    "GET",
    `${TRAINING}/${session}/upload-url${resumable ? "?resumable=true" : ""}`,
  );
  expect(url.startsWith(`${ORIGIN}/uploads/`)).toBe(true);
  return url;
}

type Headers = Record<string, string>;

function put(url: string, bytes: string | Uint8Array | null, headers: Headers = {}): Promise<Response> {
  const length = bytes === null ? 0 : Buffer.byteLength(bytes);
  const all = { "content-length": String(length), ...headers };
  return send("PUT", url, null, { ...(bytes === null ? {} : { raw: bytes }), headers: all });
}

/** Bytes `from` to before `to`. */
function piece(url: string, bytes: Uint8Array, from: number, to: number, total: number | "*" = bytes.length) {
  const range = `bytes ${String(from)}-${String(to - 1)}/${String(total)}`;
  return put(url, bytes.subarray(from, to), { "content-range": range });
}

function asked(url: string, total: number | "*" = "*"): Promise<Response> {
  return put(url, null, { "content-range": `bytes */${String(total)}` });
}

async function kept(answer: Response | Promise<Response>): Promise<[number, string | null]> {
  const got = await answer;
  expect(await got.text()).toBe("");
  expect(got.headers.get("location")).toBeNull();
  return [got.status, got.headers.get("range")];
}

async function stored(answer: Response | Promise<Response>): Promise<StoredObject> {
  const got = await answer;
  const text = await got.text();
  expect([got.status, text]).toEqual([200, text]);
  return JSON.parse(text) as StoredObject;
}

async function refusal(answer: Response | Promise<Response>): Promise<string> {
  const got = await answer;
  const { error } = await got.json<{ error: { message: string } }>();
  return `${String(got.status)} ${error.message}`;
}

function begin(url: string, headers: Headers = {}, metadata: unknown = {}): Promise<Response> {
  return send("POST", url, null, { body: metadata, headers });
}

const hashed = (bytes: string | Uint8Array, algorithm: string, encoding: "hex" | "base64"): string =>
  createHash(algorithm).update(bytes).digest(encoding);

async function dataOf(session: string): Promise<string> {
  const { url } = await api<{ url: string }>("GET", `${TRAINING}/${session}/url`);
  const [status, text] = await downloaded(url);
  expect(status).toBe(200);
  return text;
}

const startRefusal = async (session: string): Promise<[number, string]> => {
  const answer = await send("POST", `${TRAINING}/${session}/start`, apiKey);
  return [answer.status, (await answer.json<{ message: string }>()).message];
};

describe("a resumable upload URL", () => {
  it(
    "begins by POST, takes pieces, tells what it has, and gives the session its dataset",
    { timeout: 60_000 },
    async () => {
      const session = await newSession();
      const url = await uploadUrl(session);
      const announced = {
        "x-upload-content-type": "application/x-ndjson",
        "x-upload-content-length": String(file.length),
      };
      const started = await begin(url, announced, { name: "tunes.jsonl" });
      expect([started.status, started.headers.get("location")]).toEqual([200, url]);
      expect(await kept(asked(url))).toEqual([308, null]);
      expect(await kept(piece(url, file, 0, 5 * MIB))).toEqual([308, `bytes=0-${String(5 * MIB - 1)}`]);
      expect(await refusal(piece(url, file, 6 * MIB, 7 * MIB))).toContain(`409 the next byte is ${String(5 * MIB)}`);
      expect(await refusal(asked(url, 7))).toContain("400 content-range");
      // A piece that is sent twice, in part.
      expect(await kept(piece(url, file, 4 * MIB, 16 * MIB + 9))).toEqual([308, `bytes=0-${String(16 * MIB + 8)}`]);
      expect(await kept(asked(url, file.length))).toEqual([308, `bytes=0-${String(16 * MIB + 8)}`]);
      // Beginning again changes nothing while it is open.
      expect((await begin(url, announced)).status).toBe(200);
      const object = await stored(piece(url, file, 16 * MIB + 9, file.length));
      expect(object).toMatchObject({ name: "tunes.jsonl", size: String(file.length), problem: null });
      expect(object.contentType).toBe("application/x-ndjson");
      expect(object.sha256).toBe(hashed(file, "sha256", "hex"));
      expect(object.md5Hash).toBe(hashed(file, "md5", "base64"));
      expect(object.dataset).toMatchObject({ name: "tunes", format: "prompt_completion" });
      expect(hashed(await dataOf(session), "sha256", "hex")).toBe(object.sha256);
      expect(await api("GET", `${TRAINING}/${session}`)).toMatchObject({ status: "prepared" });

      // The same last piece, or a question, gets the same answer; another file does not.
      expect(await stored(piece(url, file, 16 * MIB + 9, file.length))).toEqual(object);
      expect(await stored(asked(url))).toEqual(object);
      expect(await refusal(put(url, SMALL))).toContain("409 this upload has taken another file");
      expect(await refusal(begin(url))).toContain("409 this upload has taken another file");
    },
  );

  it("takes a file in one PUT at once, and one whose size is told by its last piece, or by a question", async () => {
    const session = await newSession();
    const whole = await uploadUrl(session);
    const object = await stored(put(whole, SMALL, { "content-type": "application/x-ndjson" }));
    expect(object).toMatchObject({ name: "songs.jsonl", size: String(SMALL.length), problem: null });
    expect(object.dataset).toEqual({ name: "songs", rows: 2, format: "text" });
    expect(await stored(put(whole, SMALL))).toEqual(object);
    expect(await refusal(put(whole, SMALL.replace("two", "TWO")))).toContain("409");

    const grown = await uploadUrl(session);
    const bytes = Buffer.from(SMALL + SMALL);
    expect(await kept(piece(grown, bytes, 0, 9, "*"))).toEqual([308, "bytes=0-8"]);
    expect(await kept(piece(grown, bytes, 9, 60, "*"))).toEqual([308, "bytes=0-59"]);
    expect((await stored(asked(grown, 60))).dataset?.rows).toBe(4);
    expect(await dataOf(session)).toBe(SMALL + SMALL);
  });

  it("keeps a file that holds no rows, says what is wrong, and training does not start with it", async () => {
    const session = await newSession();
    await stored(put(await uploadUrl(session), SMALL));
    const url = await uploadUrl(session);
    const bad = `${SMALL}{"prompt": \n`;
    const object = await stored(put(url, bad));
    expect(object).toMatchObject({ dataset: null, problem: expect.stringContaining("line 3") as string });
    expect(object.md5Hash).toBe(hashed(bad, "md5", "base64"));
    expect(await stored(asked(url))).toEqual(object);
    expect(await startRefusal(session)).toEqual([400, expect.stringContaining("line 3")]);

    const empty = await stored(asked(await uploadUrl(session), 0));
    expect(empty).toMatchObject({ size: "0", dataset: null, problem: "the file is empty: it has no rows" });
    // A good one, and all is well again.
    await stored(put(await uploadUrl(session, false), SMALL));
    expect(await dataOf(session)).toBe(SMALL);
  });
});

describe("a plain upload URL", () => {
  it("takes a file by PUT, and another one, each of them whole", async () => {
    const session = await newSession();
    const url = await uploadUrl(session, false);
    const object = await stored(put(url, "text,label\nyes,good\nno,bad\n", { "content-type": "text/csv" }));
    expect(object).toMatchObject({
      name: "songs.csv",
      dataset: { name: "songs", rows: 2, format: "prompt_completion" },
    });
    expect((await stored(put(url, SMALL))).dataset?.rows).toBe(2);
    expect(await dataOf(session)).toBe(SMALL);
    expect(await refusal(put(url, "{}", { "content-length": "9" }))).toContain("400 content-length: says 9 bytes");
    expect(await refusal(piece(url, Buffer.from(SMALL), 0, 5))).toContain("400 content-range");
    expect(await refusal(begin(url))).toContain("405");
    expect(await dataOf(session)).toBe(SMALL);
    const open = env.DB.prepare("SELECT count(*) AS n FROM uploads WHERE state = 'open'");
    expect(await open.first("n")).toBe(0);
  });

  it("keeps a file that comes while the session is being trained, under its name", async () => {
    const session = await newSession("busy");
    await stored(put(await uploadUrl(session, false), SMALL));
    const url = await uploadUrl(session, false);
    await api("POST", `${TRAINING}/${session}/start`);
    const late = SMALL + SMALL;
    const object = await stored(put(url, late));
    expect(object).toMatchObject({ dataset: { name: "busy", rows: 4 }, problem: expect.stringContaining("keeps") });
    expect(await dataOf(session)).toBe(SMALL);
    await api("POST", `${TRAINING}/${session}/cancel`);
    await api("POST", `${TRAINING}/${session}/dataset`, { dataset: "busy" });
    expect(await dataOf(session)).toBe(late);
  });
});

describe("the signature", () => {
  it("is ours, of this purpose, and in time", async () => {
    const session = await newSession();
    const url = await uploadUrl(session);
    const [head = "", token = ""] = url.split("/uploads/");
    const [keyId, facts = "", mac] = token.split(".");
    const text = Buffer.from(facts, "base64url").toString();
    const forged = Buffer.from(text.replace(session, "01k00000000000000000000000")).toString("base64url");
    expect(await refusal(put(`${head}/uploads/${[keyId, forged, mac].join(".")}`, SMALL))).toContain("401");
    expect(await refusal(put(`${head}/uploads/nothing`, SMALL))).toContain("401");
    expect(await refusal(send("GET", `${head}/blobs/${token}`, null))).toContain("401");
    expect(await refusal(send("DELETE", url, null))).toContain("405");

    const signed = JSON.parse(text) as { beginByMs: number };
    const tokens = new SignedTokens(env.ANNEAL_SIGNING_KEY ?? "");
    const late = await tokens.sign("upload", { ...signed, beginByMs: Date.now() - 1 });
    expect(await refusal(put(`${head}/uploads/${late}`, SMALL))).toContain("within an hour of its URL");
    const other = await tokens.sign("download", { ...signed });
    expect(await refusal(put(`${head}/uploads/${other}`, SMALL))).toContain("401");
    // What has begun in time goes on after the hour.
    expect(await kept(piece(url, Buffer.from(SMALL), 0, 5))).toEqual([308, "bytes=0-4"]);
    expect((await stored(piece(`${head}/uploads/${late}`, Buffer.from(SMALL), 5, SMALL.length))).problem).toBeNull();
  });

  it("is given to the session's own project alone", async () => {
    const session = await newSession();
    const other = (await newAccount()).api_key;
    const answer = await send("GET", `${TRAINING}/${session}/upload-url`, other);
    expect(answer.status).toBe(404);
    expect((await send("GET", `${TRAINING}/${session}/upload-url?resumable=maybe`, apiKey)).status).toBe(400);
  });

  it("ends with its session", async () => {
    const session = await newSession();
    const urls = [await uploadUrl(session), await uploadUrl(session, false)];
    await env.DB.prepare("DELETE FROM training_sessions WHERE id = ?").bind(session).run();
    for (const url of urls) expect(await refusal(put(url, SMALL))).toBe("404 training session not found");
  });
});
