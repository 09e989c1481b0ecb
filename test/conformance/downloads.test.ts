/** GET and HEAD on signed URLs: a dataset, a model's archive, and a file inside it. */
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { newDataset, newAccount, PROMPTS, refused, send } from "./anneal-client";
import { newAccountClient } from "../harness/worker-client";
import { WorkerAgent } from "../harness/worker-agent";
import { createRequest, type Id } from "./veri-setup";

const WEIGHTS = "weights, weights, weights";

interface File {
  url: string;
  bytes: Uint8Array;
}

const files: Record<string, File> = {};

beforeAll(async () => {
  const { api_key: key } = await newAccount();
  const id = await newDataset(key);
  const link = await send("GET", `/anneal/v1/datasets/${id}/download`, key);
  const { url } = await link.json<{ url: string }>();
  files["dataset"] = { url, bytes: new TextEncoder().encode(PROMPTS) };
  await modelFiles();
});

/** A completed job's archive and one of the files in it. */
async function modelFiles(): Promise<void> {
  const client = await newAccountClient();
  const dataset = await client.upload<Id>("/v1/datasets", { fields: { name: "d" }, file: '{"prompt":"a"}' });
  const source = "def reward(completions, **kwargs):\n    return [0.0]\n";
  const reward = await client.upload<Id>("/v1/reward_functions", { fields: { name: "r" }, file: source });
  const account = { client, datasetId: dataset.body.id, rewardFunctionId: reward.body.id };
  const job = await client.post<Id>("/v1/training_jobs", createRequest(account));
  const agent = await WorkerAgent.register(client);
  const lease = await agent.lease();
  await lease.started();
  await lease.complete({ "config.json": "{}", "model.safetensors": WEIGHTS });
  const model = await client.get<{ url: string; files: { path: string; url: string }[] }>(
    `/anneal/v1/jobs/${job.body.id}/model`,
  );
  const whole = await (await send("GET", model.body.url, null)).arrayBuffer();
  files["archive"] = { url: model.body.url, bytes: new Uint8Array(whole) };
  const inside = model.body.files.find(({ path }) => path === "model.safetensors");
  files["member"] = { url: inside?.url ?? "", bytes: new TextEncoder().encode(WEIGHTS) };
  expect(gzipSync("").byteLength).toBeLessThan(whole.byteLength);
}

const get = (url: string, headers: Record<string, string> = {}) => send("GET", url, null, { headers });
const bytesOf = async (response: Response) => new Uint8Array(await response.arrayBuffer());

describe.each(["dataset", "archive", "member"])("%s", (name) => {
  const file = (): File => files[name] ?? { url: "", bytes: new Uint8Array() };

  it("comes whole, as an attachment that no browser guesses about", async () => {
    const { url, bytes } = file();
    const answer = await get(url);
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "accept-ranges": "bytes",
      "content-length": String(bytes.byteLength),
      "content-type": "application/octet-stream",
      "x-content-type-options": "nosniff",
      "content-disposition": expect.stringMatching(/^attachment; filename="/) as string,
      etag: expect.stringMatching(/^"[0-9a-f]{64}(-\d+)?"$/) as string,
    });
    expect(await bytesOf(answer)).toEqual(bytes);
  });

  it("answers HEAD with the same headers and no bytes", async () => {
    const { url } = file();
    const [head, whole] = [await send("HEAD", url, null), await get(url)];
    const headers = (answer: Response) => [...answer.headers].filter(([header]) => header !== "x-request-id");
    expect([head.status, headers(head)]).toEqual([whole.status, headers(whole)]);
    expect(await head.text()).toBe("");
    await whole.body?.cancel();
  });

  it.each([
    ["bytes=0-0", 0, 1],
    ["bytes=3-10", 3, 11],
    ["bytes=5-", 5, Infinity],
    ["bytes=-7", -7, Infinity],
    ["bytes=0-99999999999999999999", 0, Infinity],
  ])("answers %s with 206", async (range, from, to) => {
    const { url, bytes } = file();
    const answer = await get(url, { range });
    const wanted = bytes.slice(from, to === Infinity ? undefined : to);
    expect(answer.status).toBe(206);
    const start = from < 0 ? bytes.byteLength + from : from;
    expect(answer.headers.get("content-range")).toBe(
      `bytes ${String(start)}-${String(start + wanted.byteLength - 1)}/${String(bytes.byteLength)}`,
    );
    expect(answer.headers.get("content-length")).toBe(String(wanted.byteLength));
    expect(await bytesOf(answer)).toEqual(wanted);
  });

  it("answers a range beyond its end with 416 and its size", async () => {
    const { url, bytes } = file();
    for (const range of [`bytes=${String(bytes.byteLength)}-`, "bytes=-0"]) {
      const answer = await get(url, { range });
      expect([answer.status, answer.headers.get("content-range")]).toEqual([
        416,
        `bytes */${String(bytes.byteLength)}`,
      ]);
      expect(await refused(answer)).toMatchObject({ code: "range_not_satisfiable" });
    }
  });

  it("answers several ranges, other units and nonsense with the whole", async () => {
    const { url, bytes } = file();
    for (const range of ["bytes=0-1,3-4", "items=0-1", "bytes=9-3", "bytes=x-"]) {
      const answer = await get(url, { range });
      expect([answer.status, await bytesOf(answer)]).toEqual([200, bytes]);
    }
  });

  it("holds a range to If-Range, and knows If-None-Match", async () => {
    const { url } = file();
    const etag = (await send("HEAD", url, null)).headers.get("etag") ?? "";
    const status = async (headers: Record<string, string>) => {
      const answer = await get(url, headers);
      await answer.arrayBuffer();
      return answer.status;
    };
    const range = "bytes=1-2";
    expect(await status({ range, "if-range": etag })).toBe(206);
    expect(await status({ range, "if-range": '"another"' })).toBe(200);
    expect(await status({ range, "if-range": "Sat, 21 Nov 2026 00:00:00 GMT" })).toBe(200);
    expect(await status({ "if-none-match": `"x", W/${etag}` })).toBe(304);
    expect(await status({ "if-none-match": '"x"' })).toBe(200);
  });
});
