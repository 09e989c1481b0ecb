/** Tasks that preprocess and import, on their way through the worker: what is refused, leased, committed and read of them. */
import { createHash } from "node:crypto";
import { describe, expect, it, vi } from "vitest";
import type { DataItem, Lease } from "../../protocol";
import type { Principal } from "../../worker/domain/accounts";
import type { AgentPrincipal } from "../../worker/domain/agents";
import { DomainError } from "../../worker/domain/errors";
import type { JobRecord } from "../../worker/domain/job";
import type { DownloadRequest } from "../../worker/services/download-blob";
import type { JobRequest } from "../../worker/services/services";
import {
  chunksOf,
  code,
  expire,
  jobRequest,
  mustClaim,
  newAccount,
  newAgent,
  newDataset,
  newJob,
  ORIGIN,
  reportStarted,
  uploadCheckpoint,
  uploadFiles,
  using,
  type NewFile,
} from "./fixtures";

// Whole runs, with several commits each.
vi.setConfig({ testTimeout: 20_000 });

const IMPORT = { ...jobRequest(""), kind: "import" as const, datasetId: null, outputName: "brought" };
const WHOLE: DownloadRequest = { head: false, range: null, ifRange: null, ifNoneMatch: null };
const bytes = (text: string) => new TextEncoder().encode(text);
const file = (role: NewFile["role"], text: string): NewFile => ({ role, path: `${role}.tar.gz`, bytes: bytes(text) });
const textOf = (buffer: ArrayBuffer) => new TextDecoder().decode(buffer);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

const submit = (principal: Principal, request: JobRequest) => using((s) => s.submitJob(principal, request, null));
const task = (principal: Principal, id: string) => using((s) => s.getTask(principal, id));

/** The code and the field of what `work` throws. */
async function refusal(work: Promise<unknown>): Promise<[string, string | undefined]> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DomainError)) throw new Error("was not refused", { cause: error });
  return [error.code, error.detail.field];
}

async function commit(agent: AgentPrincipal, lease: Lease, files: NewFile[]) {
  const request = await uploadFiles(agent, lease, { kind: "final", step: 0 }, files);
  return using((s) => s.commitCheckpoint(agent, lease.lease_id, request));
}

const finish = (agent: AgentPrincipal, lease: Lease) =>
  using((s) => s.finishTask(agent, lease.lease_id, { outcome: "completed", step: 1 }));

/** A task that an agent has brought to its end with these files. */
async function completed(principal: Principal, request: JobRequest, files: NewFile[]): Promise<JobRecord> {
  const agent = await newAgent(principal);
  const { id } = await submit(principal, request);
  const lease = await mustClaim(agent);
  expect(lease.job_id).toBe(id);
  await reportStarted(agent, lease);
  await commit(agent, lease, files);
  expect(await finish(agent, lease)).toEqual({ status: "completed" });
  return task(principal, id);
}

const read = (job: JobRecord, role: "model" | "tokenizer" | "cache", request = WHOLE) =>
  using(async (s) => {
    const response = await s.artifactResponse(job, role, `${role}.tar.gz`, request);
    return { status: response.status, headers: response.headers, text: textOf(await response.arrayBuffer()) };
  });

describe("an import", () => {
  it("is leased without data, leaves model and tokenizer, and is a base model by what it was before", async () => {
    const principal = await newAccount();
    const agent = await newAgent(principal);
    const { id, datasetId, spec } = await submit(principal, {
      ...IMPORT,
      baseModel: "anneal/tiny-bert",
      method: "classification",
    });
    expect([datasetId, spec.base_model, spec.functions]).toEqual([
      "",
      { kind: "builtin", name: "anneal/tiny-bert" },
      [],
    ]);
    const lease = await mustClaim(agent);
    expect(lease).toMatchObject({ kind: "import", job_id: id, inputs: { dataset: null, functions: [] } });
    await reportStarted(agent, lease);
    const [model, tokenizer] = [file("model", "weights"), file("tokenizer", "words")];
    for (const wrong of [
      [model],
      [tokenizer],
      [model, tokenizer, file("cache", "c")],
      [model, { ...model, path: "b" }, tokenizer],
    ]) {
      expect(await refusal(commit(agent, lease, wrong))).toEqual(["invalid_request", "files"]);
    }
    const epoch = await uploadCheckpoint(agent, lease, "epoch", 1);
    expect(await refusal(using((s) => s.commitCheckpoint(agent, lease.lease_id, epoch)))).toEqual([
      "invalid_request",
      "kind",
    ]);
    await commit(agent, lease, [model, tokenizer]);
    await finish(agent, lease);

    const imported = await task(principal, id);
    expect((await read(imported, "model")).text).toBe("weights");
    expect((await using((s) => s.modelDownload(imported, ORIGIN))).checkpoint.modelSha256).toBe(sha256("weights"));
    const part = await read(imported, "tokenizer", { ...WHOLE, range: "bytes=1-2" });
    expect([part.status, part.text, part.headers.get("content-range")]).toEqual([206, "or", "bytes 1-2/5"]);
    expect(part.headers.get("content-disposition")).toBe('attachment; filename="tokenizer.tar.gz"');
    const link = await using((s) => s.artifactUrl(imported, "tokenizer", "words.tar.gz", ORIGIN));
    expect(link).toMatchObject({ sizeBytes: 5, sha256: sha256("words") });
    expect(link.expiresAtMs).toBeGreaterThan(Date.now());
    const token = new URL(link.url).pathname.split("/")[2] ?? "";
    const linked = await using(async (s) => textOf(await (await s.download(token, WHOLE)).arrayBuffer()));
    expect(linked).toBe("words");
    expect(await code(read(imported, "cache"))).toBe("not_found");

    const base = `job_${id}`;
    const refused = submit(principal, { ...jobRequest(await newDataset(principal)), baseModel: base });
    expect(await refusal(refused)).toEqual(["invalid_request", "base_model"]);
    await newJob(principal, { baseModel: base, method: "classification" });
    const trains = await mustClaim(agent);
    expect(trains).toMatchObject({
      kind: "train",
      spec: { lineage: { root: "anneal/tiny-bert", job_name: "brought", ordinal: 1 } },
    });
    expect(trains.inputs.base_checkpoint?.files.map(({ role }) => role)).toEqual(["model", "tokenizer"]);
  });

  it("takes a base model alone, and none that is here already", async () => {
    const principal = await newAccount();
    const datasetId = await newDataset(principal);
    const wrong: [Partial<JobRequest>, string][] = [
      [{ datasetId }, "dataset_id"],
      [{ hyperparameters: { seed: 1 } }, "hyperparameters"],
      [{ eval: { splitPercent: 10 } }, "eval"],
      [{ test: { splitPercent: 10, functions: [] } }, "test"],
      [{ preprocessedBy: "x" }, "preprocessed_by"],
      [{ downsamplePercent: 50 }, "downsample_percent"],
      [{ baseModel: "anneal/tiny-bert" }, "base_model"],
      [{ baseModel: "anneal/none" }, "base_model"],
      [{ method: "grpo" }, "method"],
      [{ outputName: "" }, "output_name"],
    ];
    for (const [changes, field] of wrong) {
      expect(await refusal(submit(principal, { ...IMPORT, ...changes }))).toEqual(["invalid_request", field]);
    }
    const job = await newJob(principal);
    expect(await refusal(submit(principal, { ...IMPORT, baseModel: `job_${job.id}` }))).toEqual([
      "invalid_request",
      "base_model",
    ]);
  });

  it("is no job to those who train, is cancelled like one, and is tried again as an import", async () => {
    const principal = await newAccount();
    const { id } = await submit(principal, IMPORT);
    expect(await code(using((s) => s.getJob(principal, id)))).toBe("not_found");
    expect(await code(task(await newAccount(), id))).toBe("not_found");
    const listed = (kind?: "import") => using((s) => s.listJobs(principal, { ...(kind && { kind }) }, { limit: 10 }));
    expect([(await listed()).items, (await listed("import")).items.map((job) => job.id)]).toEqual([[], [id]]);
    const found = await task(principal, id);
    expect(await refusal(read(found, "model"))).toEqual(["invalid_request", undefined]);
    const cancelled = await using((s) => s.cancelJob(found));
    expect(cancelled.status).toBe("cancelled");
    const again = await using((s) => s.retryJob(cancelled, { from: "checkpoint" }, null));
    expect([again.task.kind, again.retryOf, again.datasetId]).toEqual(["import", id, ""]);
    expect((await mustClaim(await newAgent(principal))).kind).toBe("import");
  });
});

describe("a preprocess task", () => {
  it("is leased as what it prepares, and its data goes with the training that names it", async () => {
    const principal = await newAccount();
    const datasetId = await newDataset(principal);
    const request = { ...jobRequest(datasetId), eval: { splitPercent: 25 }, hyperparameters: { max_seq_length: 64 } };
    const made = await completed(principal, { ...request, kind: "preprocess" }, [file("cache", "tokens")]);
    expect((await read(made, "cache")).text).toBe("tokens");
    expect(await refusal(using((s) => s.modelDownload(made, ORIGIN)))).toEqual(["invalid_request", undefined]);
    expect(await using((s) => s.modelArchive(made, ORIGIN))).toBeNull();

    const trains = await submit(principal, { ...request, preprocessedBy: made.id });
    const agent = await newAgent(principal);
    const lease = await mustClaim(agent);
    expect(lease).toMatchObject({ kind: "train", job_id: trains.id, spec: { preprocessed_by: made.id } });
    expect(lease.inputs.preprocessed?.files.map(({ role, sha256: sum }) => [role, sum])).toEqual([
      ["cache", sha256("tokens")],
    ]);
    expect(await refusal(commit(agent, lease, [file("cache", "c")]))).toEqual(["invalid_request", "files"]);

    // It only saves time: a training goes on without it.
    await using((s) => s.deleteJob(made));
    await using((s) => s.releaseTask(agent, lease.lease_id, { reason: "preempted", message: "x" }));
    expect((await mustClaim(agent)).inputs.preprocessed).toBeUndefined();
  });

  it("is done again by another agent when its own is lost, unless its data was committed by then", async () => {
    const principal = await newAccount();
    const { id } = await submit(principal, { ...jobRequest(await newDataset(principal)), kind: "preprocess" });
    const [first, second] = [await newAgent(principal), await newAgent(principal)];
    const lost = await mustClaim(first);
    await reportStarted(first, lost);
    await expire(id);
    const lease = await mustClaim(second);
    expect(lease).toMatchObject({ kind: "preprocess", attempt: 2, inputs: { resume: null } });
    await reportStarted(second, lease);
    expect(await code(commit(first, lost, [file("cache", "other")]))).toBe("stale_lease");
    await commit(second, lease, [file("cache", "tokens")]);
    await expire(id);
    const made = await task(principal, id);
    expect([made.status, (await read(made, "cache")).text]).toEqual(["completed", "tokens"]);
  });

  it("is named only by a training of the same rows, once it has completed", async () => {
    const principal = await newAccount();
    const datasetId = await newDataset(principal);
    const hyperparameters = { max_seq_length: 64, system_prompt: "s".repeat(5000) };
    const request = { ...jobRequest(datasetId), hyperparameters };
    const made = await completed(principal, { ...request, kind: "preprocess" }, [file("cache", "tokens")]);
    const trains = { ...request, preprocessedBy: made.id };
    // What rows and tokens do not depend on may differ.
    await submit(principal, { ...trains, hyperparameters: { ...hyperparameters, seed: 7, learning_rate: 1 } });
    const other = await newDataset(principal);
    const wrong: Partial<JobRequest>[] = [
      { datasetId: other },
      { hyperparameters: { ...hyperparameters, max_seq_length: 65 } },
      { hyperparameters: { ...hyperparameters, system_prompt: `${"s".repeat(4999)}t` } },
      { eval: { splitPercent: 25 } },
      { eval: { datasetId: other } },
      { downsamplePercent: 50 },
      { method: "classification", baseModel: "anneal/tiny-bert", hyperparameters: {} },
      { test: { splitPercent: 20, functions: [] } },
    ];
    for (const changes of wrong) {
      expect(await refusal(submit(principal, { ...trains, ...changes }))).toEqual([
        "invalid_request",
        "preprocessed_by",
      ]);
    }
    const queued = await submit(principal, { ...request, kind: "preprocess" });
    const job = await submit(principal, request);
    for (const id of [queued.id, job.id]) {
      expect(await refusal(submit(principal, { ...request, preprocessedBy: id }))).toEqual([
        "invalid_request",
        "preprocessed_by",
      ]);
    }
    const stranger = await newAccount();
    const theirs = { ...trains, datasetId: await newDataset(stranger) };
    expect(await refusal(submit(stranger, theirs))).toEqual(["not_found", "preprocessed_by"]);
    for (const [changes, field] of [
      [{ preprocessedBy: made.id }, "preprocessed_by"],
      [{ test: { splitPercent: 20, functions: [] } }, "test"],
      [{ method: "grpo", functions: [] }, "method"],
      [{ baseModel: `job_${made.id}` }, "base_model"],
    ] as const) {
      const refused = submit(principal, { ...request, kind: "preprocess", ...changes } as JobRequest);
      expect(await refusal(refused)).toEqual(["invalid_request", field]);
    }
  });
});

describe("evaluations", () => {
  it("are asked for with metrics that the method has, at epochs or at steps", async () => {
    const principal = await newAccount();
    const datasetId = await newDataset(principal);
    const request = { ...jobRequest(datasetId), method: "classification", baseModel: "anneal/tiny-bert" };
    const wanted = { splitPercent: 25, everyEpochs: 2, metrics: ["accuracy", "f1"], atStart: true };
    const { spec } = await submit(principal, { ...request, eval: wanted });
    expect(spec.eval).toEqual({ split_percent: 25, every_epochs: 2, metrics: ["accuracy", "f1"], at_start: true });
    const plain = await submit(principal, { ...request, eval: { datasetId, metrics: [], atStart: false } });
    expect(plain.spec.eval).toEqual({ dataset_id: datasetId });
    const labelled = async (labels: string[][]) => {
      const rows = labels.map((row, n) => JSON.stringify({ text: `t${String(n)}`, labels: row })).join("\n");
      return (await using((s) => s.uploadDataset(principal, { name: "l", chunks: chunksOf(rows), maxBytes: 1e6 }))).id;
    };
    const single = { ...request, datasetId: await labelled([["a"], ["b"], ["c"]]) };
    const several = submit(principal, { ...single, eval: { datasetId: await labelled([["a", "b"], ["c"], []]) } });
    expect(await refusal(several)).toEqual(["dataset_format_incompatible", "eval.dataset_id"]);
    for (const [changes, field] of [
      [{ everySteps: 3 }, "eval.every_epochs"],
      [{ everyEpochs: 0 }, "eval.every_epochs"],
      [{ everyEpochs: 1.5 }, "eval.every_epochs"],
      [{ metrics: ["accuracy", "perplexity"] }, "eval.metrics"],
      [{ metrics: ["f1", "f1"] }, "eval.metrics"],
    ] as const) {
      const refused = submit(principal, { ...request, eval: { ...wanted, ...changes } as JobRequest["eval"] });
      expect(await refusal(refused)).toEqual(["invalid_request", field]);
    }
    const unknown = submit(principal, { ...request, eval: { splitPercent: 25, metrics: ["bleu"] } });
    await expect(unknown).rejects.toThrow("has no 'bleu' for classification; known: loss, accuracy,");
  });

  it("are read with the initial one apart, and training tells how far it is", async () => {
    const principal = await newAccount();
    const job = await newJob(principal, { eval: { splitPercent: 25 } });
    const told = () => using(async (s) => [await s.trainingInfo(job), await s.evalResults(job)] as const);
    expect(await told()).toEqual([null, { initial: null, tests: [] }]);
    const agent = await newAgent(principal);
    const lease = await mustClaim(agent);
    await reportStarted(agent, lease);
    const metrics = (step: number, kind: "train" | "eval", values: Record<string, number>): DataItem => {
      return { type: "metrics", ts_ms: 1, step, kind, values };
    };
    const items: DataItem[] = [
      metrics(0, "eval", { loss: 4, epoch: 0 }),
      metrics(4, "train", { loss: 3 }),
      metrics(4, "eval", { loss: 2, accuracy: 0.5, epoch: 1 }),
      { type: "progress", ts_ms: 1, step: 4, total_steps: 10, epoch: 1 },
      metrics(8, "train", { loss: 1, grad_norm: 0.5 }),
      // One of a trainer that does not tell its epoch.
      metrics(6, "eval", { loss: 1.5 }),
      { type: "progress", ts_ms: 1, step: 8, total_steps: 10, epoch: 2 },
    ];
    await using((s) => s.reportTask(agent, lease.lease_id, { lane: "data", seq: 2, items }));
    expect(await told()).toEqual([
      { step: 8, totalSteps: 10, epoch: 2, metrics: { loss: 1, grad_norm: 0.5 } },
      {
        initial: { loss: 4 },
        tests: [
          { epoch: 1, step: 4, metrics: { loss: 2, accuracy: 0.5 } },
          { epoch: 1.5, step: 6, metrics: { loss: 1.5 } },
        ],
      },
    ]);
  });
});
