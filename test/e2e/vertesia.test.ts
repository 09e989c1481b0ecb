/**
 * The Vertesia API as its published clients use it: the npm package, unmodified, with an API key; Google's Python library
 * on the resumable upload URL. One job of it, trained by a real agent, is then read through every API that can show it.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { VertesiaClient } from "@vertesia/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { preparePython } from "../../scripts/python-env";
import { startAgent, type AgentProcess } from "../harness/agent-process";
import { emissaryClient } from "../harness/emissary";
import { googlePython, uploadByGoogle } from "../harness/google-upload";
import { jsonLines, readJob, waitFor } from "../harness/jobs";
import { jsonl } from "../harness/jsonl";
import { startPlane, type TestAccount, type TestPlane } from "../harness/plane";
import { vertesiaClient, type WatchedClient } from "../harness/vertesia";

const MIB = 2 ** 20;
const MODEL = "anneal/tiny-llama";
const END_MS = 180_000;

const google = await googlePython().catch((error: unknown) => {
  console.warn(`skipped: google-resumable-media cannot be installed: ${String(error)}`);
  return null;
});

let plane: TestPlane;
let account: TestAccount;
let agent: AgentProcess;
let vertesia: WatchedClient;
let environment: string;
/** Of the first training here; the tests below read it. */
let trainedJob: string;

beforeAll(async () => {
  await preparePython();
  plane = await startPlane({ heartbeatMs: 500, leaseMs: 15_000, resumeIntervalMs: 600_000 });
  account = await plane.account("vertesia");
  agent = startAgent({ url: plane.url, token: account.agentToken, name: "only" });
  vertesia = vertesiaClient(plane.url, account.api_key);
});

afterAll(async () => {
  await agent.dispose();
  await plane.close();
});

/** Questions with answers; every tenth run has no result. */
const ROWS = Array.from({ length: 30 }, (_, n) => ({
  interaction: "sums",
  prompt: [
    { role: "system", content: "Add." },
    { role: "user", content: `${String(n)}+1=` },
  ],
  result: n % 10 === 9 ? [] : [{ type: "text", value: String(n + 1) }],
  status: "completed",
  tags: ["sums", n % 2 === 0 ? "even" : "odd"],
}));

async function importRuns(): Promise<void> {
  const headers = { "content-type": "application/x-ndjson" };
  const body = jsonLines(ROWS.map((row) => ({ ...row, environment })));
  const answer = await account.client.send("POST", "/api/v1/runs/import", { headers, body });
  expect([answer.status, await answer.text()]).toEqual([200, expect.any(String)]);
}

async function newSession(name: string): Promise<string> {
  return (await vertesia.client.training.createSession({ name, env: environment, model: MODEL })).id;
}

const statusOf = async (session: string) => (await vertesia.client.training.getSession(session)).status as string;

describe("@vertesia/client with an API key", () => {
  it("exchanges the key, and reads and writes projects", async () => {
    const { client } = vertesia;
    const bare = account.account_id.replace("acct_", "");
    expect(await client.getProject()).toMatchObject({ id: account.project_id, account: bare });
    expect(await client.getAccount()).toMatchObject({ id: bare });
    const token = await client.getRawJWT();
    // It knows from the token where the API is.
    const other = await VertesiaClient.fromAuthToken(token ?? "");
    expect(await other.training.listSessions()).toEqual([]);
    const { projects } = client;
    const made = await projects.create({ name: "second", namespace: "second" });
    expect((await projects.list()).map(({ id }) => id)).toEqual(expect.arrayContaining([account.project_id, made.id]));
    expect((await projects.list([bare])).length).toBe(2);
    expect(await projects.update(made.id, { description: "of the tests" })).toMatchObject({ id: made.id });
    await projects.updateConfiguration(made.id, {});
    expect(await projects.retrieve(made.id)).toMatchObject({ name: "second", description: "of the tests" });
    await projects.delete(made.id);
    await expect(projects.retrieve(made.id)).rejects.toMatchObject({ status: 404 });
    expect(vertesia.faults).toEqual([]);
  });

  it("makes environments and chooses their models", async () => {
    const { environments } = vertesia.client;
    const anneal = { hyperparameters: { max_steps: 3, learning_rate: 0.001 } };
    const made = await environments.create({
      name: "tests",
      provider: "test" as never,
      apiKey: "sk-secret-of-a-provider",
    });
    environment = made.id;
    expect(JSON.stringify(made)).not.toContain("secret");
    expect((await environments.list()).map(({ id }) => id)).toEqual([environment]);
    expect((await environments.list(true)).length).toBe(1);
    expect(await environments.update(environment, { name: "for tests" })).toMatchObject({ name: "for tests" });
    expect(await environments.updateConfig(environment, { config: { anneal } as never })).toMatchObject({
      config: { anneal },
    });
    const trainable = await environments.listTrainableModels(environment);
    expect(trainable.map(({ id }) => id)).toContain(MODEL);
    const [model] = await environments.listModels(environment, { text: "tiny-llama" });
    if (!model) throw new Error("the catalogue has no tiny-llama");
    const enabled = await environments.enableModel(environment, { model_id: model.id });
    expect(JSON.stringify(enabled.enabled_models)).toContain(MODEL);
    expect((await environments.disableModel(environment, model.id)).enabled_models ?? []).toEqual([]);
    expect(await environments.retrieve(environment)).toMatchObject({ id: environment, name: "for tests" });
    expect(vertesia.faults).toEqual([]);
  });

  it("lists, finds, counts and clones runs, and is told that none can be made yet", async () => {
    await importRuns();
    const { runs } = vertesia.client;
    const page = await runs.list({ limit: 12, offset: 20 });
    expect(page).toHaveLength(10);
    const odd = await runs.list({ limit: 100, filters: { tag: ["odd"], interaction: "sums" } });
    expect(odd).toHaveLength(15);
    const [first] = odd;
    if (!first) throw new Error("no run was found");
    const run = await runs.retrieve(first.id);
    expect(run).toMatchObject({ id: first.id, status: "completed", tags: ["sums", "odd"] });
    expect(await runs.retrievePopulated(first.id)).toMatchObject({ id: first.id });
    expect((await runs.find({ query: { interaction: "sums" }, limit: 5 })).length).toBe(5);
    expect(await runs.search({ query: { tags: ["even"] }, limit: 100 })).toHaveLength(15);
    const facets = await runs.computeFacets({ facets: [{ name: "statuses", field: "status" }], query: {} });
    expect(JSON.stringify(facets)).toContain("completed");
    const workflow = { run_id: "fork", workflow_id: "forks" };
    const clone = await runs.clone({ source_run_id: first.id, workflow });
    expect(clone).toMatchObject({ project: account.project_id });
    expect(clone.id).not.toBe(first.id);
    await expect(runs.create({ interaction: "sums", data: {} })).rejects.toMatchObject({ status: 400 });
    expect(vertesia.faults).toEqual([]);
  });

  it("trains on imported runs, from the session to the model, and cancels another training", async () => {
    const { training, runs } = vertesia.client;
    const session = await newSession("sums");
    expect(await training.getSession(session)).toMatchObject({ status: "created", runs: [], dataset: null, job: {} });
    await expect(training.startTraining(session)).rejects.toMatchObject({ status: 400 });
    const ids = (await runs.list({ limit: 100, filters: { status: "completed" as never } })).map(({ id }) => id);
    expect(await training.addToSession(session, ids)).toEqual({ ok: true });
    expect((await training.listSessionRuns(session)).length).toBe(ids.length);
    expect(await training.listSessionRuns(session, 2, ids.length - 1)).toHaveLength(1);

    const built = z
      .object({ dataset: z.url() })
      .loose()
      .parse(await training.buildSession(session));
    const { url } = await training.getDataUrl(session);
    const rows = (await textOf(url)).trim().split("\n");
    expect(rows).toHaveLength(27);
    expect(await textOf(built.dataset)).toBe(await textOf(url));
    const messages = [...(ROWS[0]?.prompt ?? []), { role: "assistant", content: "1" }];
    expect(rows.map((row) => JSON.parse(row) as unknown)).toContainEqual(expect.objectContaining({ messages }));
    expect(await training.setDataset(session)).toMatchObject({ dataset: expect.any(String) as string });
    expect(await statusOf(session)).toBe("prepared");

    const job = await training.startTraining(session);
    trainedJob = job.id;
    expect(["pending", "running"]).toContain(job.status);
    const other = await newSession("cancelled");
    await training.addToSession(other, ids.slice(0, 3));
    await training.buildSession(other);
    await training.startTraining(other);
    expect(await training.cancelTraining(other)).toMatchObject({ status: "cancelled" });
    expect((await training.listSessions({ status: "cancelled" as never })).map(({ id }) => id)).toEqual([other]);

    const ended = await waitFor("the end of the training", END_MS, async () => {
      const { status } = await training.getAndSyncTrainingJob(job.id);
      return ["pending", "running"].includes(status) ? null : status;
    });
    expect(ended, agent.log()).toBe("completed");
    expect(await training.getTrainingJob(job.id)).toMatchObject({ id: job.id, status: "completed" });
    expect(await statusOf(session)).toBe("completed");
    const names = await training.listSessionNames({ limit: 10, offset: 0 });
    expect(names.map(({ name }) => name)).toEqual(["cancelled", "sums"]);
    expect((await training.listSessions({ limit: 1, offset: 1 })).map(({ id }) => id)).toEqual([session]);
    expect(vertesia.faults).toEqual([]);
    expect(vertesia.checked()).toBeGreaterThan(20);
  });

  it("sends a file to the upload URL, trains on nothing else then, and goes back to what was built", async () => {
    const { training, runs } = vertesia.client;
    const session = await newSession("uploads");
    await training.addToSession(
      session,
      (await runs.list({ limit: 3 })).map(({ id }) => id),
    );
    await training.buildSession(session);
    const built = await textOf((await training.getDataUrl(session)).url);
    const bytes = jsonLines([{ text: "one" }, { text: "two" }]);
    for (const resumable of [false, true]) {
      const { url } = await training.getDataUploadUrl(session, resumable);
      const answer = await fetch(url, { method: "PUT", body: bytes });
      expect(await answer.json()).toMatchObject({ size: String(bytes.length), problem: null });
      expect(await textOf((await training.getDataUrl(session)).url)).toBe(bytes);
      await training.setDataset(session);
      expect(await textOf((await training.getDataUrl(session)).url)).toBe(built);
    }
    await training.setDataset(session, "uploads");
    expect(await textOf((await training.getDataUrl(session)).url)).toBe(bytes);
  });
});

describe.skipIf(google === null)("google-resumable-media", () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), "anneal-google-"));
  const file = path.join(dir, "rows.jsonl");
  const bytes = Buffer.concat([...jsonl(17 * MIB)]);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(file, bytes);

  afterAll(() => {
    rmSync(dir, { recursive: true });
  });

  it("goes on where the line was cut, and its file is the session's dataset, byte for byte", async () => {
    const cutAfterBytes = [7 * MIB, 16 * MIB + MIB / 2];
    const args = ["--chunk-bytes", String(4 * MIB), "--checksum", "md5"];
    const sent = await uploadByGoogle(account, google ?? "", file, { cutAfterBytes, args });
    expect(sent).toMatchObject({ cuts: 2, sha256, answer: { sha256, size: String(bytes.length), problem: null } });
    expect(sent.recovered).toHaveLength(2);
    for (const [n, at] of sent.recovered.entries()) expect(at).toBeLessThanOrEqual(cutAfterBytes[n] ?? 0);
    expect(sent.answer.dataset?.name).toBe("rows");
  });

  it("sends a piece again by itself, of a file whose size is told at its end", async () => {
    const args = ["--chunk-bytes", String(4 * MIB), "--unknown-size", "--retries", "5"];
    const sent = await uploadByGoogle(account, google ?? "", file, { cutAfterBytes: [10 * MIB], args });
    expect(sent).toMatchObject({ cuts: 1, recovered: [], sha256, answer: { sha256, problem: null } });
  });
});

it("shows the same job in every API", async () => {
  const { client } = account;
  const native = await readJob(client, `job_${trainedJob}`);
  expect(native.status).toBe("completed");
  const veri = z.object({ id: z.string(), status: z.string(), method: z.string(), base_model: z.string() });
  expect(await client.get(`/v1/training_jobs/job_${trainedJob}`, veri)).toMatchObject({
    id: `job_${trainedJob}`,
    status: "completed",
    method: "sft_text",
    base_model: MODEL,
  });
  const emissary = emissaryClient(plane.url, account.api_key);
  const { job } = await emissary.watch(account.project_id, `tr-${trainedJob}`, END_MS);
  expect(job).toMatchObject({ status: "Success", task_type: "text-generation", base_model: MODEL, progress: 100 });
  const { download_url } = await client.get(
    `/v1/training_jobs/job_${trainedJob}/model`,
    z.object({ download_url: z.url() }),
  );
  const [checkpoint] = (await emissary.checkpoints(account.project_id, `tr-${trainedJob}`)).slice(-1);
  for (const url of [download_url, checkpoint?.model_download_url ?? ""]) {
    expect(
      createHash("sha256")
        .update(await bytesOf(url))
        .digest("hex"),
    ).toBe(native.checkpoint_sha256);
  }
});

async function bytesOf(url: string): Promise<Buffer> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

const textOf = async (url: string): Promise<string> => (await bytesOf(url)).toString();
