/** Emissary's operations as they succeed; every answer is held against the maker's schemas (emissary-setup.ts). */
import { describe, expect, it } from "vitest";
import { WorkerAgent } from "../harness/worker-agent";
import { ask, newAccountClient } from "../harness/worker-client";
import { hasContract, violations } from "./emissary-contract";
import {
  BINARY,
  COMPLETIONS,
  LABELLED,
  MULTILABEL,
  newDataset,
  newJob,
  newProject,
  PAIRS,
  SCORED,
  type EmissaryError,
  type Id,
  type Job,
} from "./emissary-setup";

interface TestedCheckpoint {
  checkpoint: number;
  test_results?: { general_test_result: string; aggregated_test_result: Record<string, string> };
}

interface Model {
  name: string;
  type: string;
  parameter_template: Record<string, unknown>;
}

it.skipIf(!hasContract)(
  "the maker's document judges: a wrong type, an unknown word, a null and a body too many are found",
  () => {
    const wrong = { id: 1, status: "Queued", reward: null };
    expect(violations("retrieveTrainingJobById", 200, wrong).join("\n")).toMatch(
      /#\/id[^]*#\/status[^]*#\/reward is null/,
    );
    expect(violations("retrieveTrainingJobById", 404, { status: 404, error: "x" })).not.toEqual([]);
    expect(violations("deleteProjectById", 204, {})).not.toEqual([]);
    expect(violations("retrieveTrainingJobById", 200, { id: "tr-1", status: "Pending", progress: 3 })).toEqual([]);
  },
);

describe("base models", () => {
  it("are listed with numbers and words as their parameters, and found by name", async () => {
    const { client } = await newProject();
    const models = (await client.call<Model[]>("listBaseModels", "/v1/models")).body;
    expect(models.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["Llama-3.2-1B-Instruct", "BERT", "anneal/tiny-llama", "anneal/tiny-bert"]),
    );
    for (const model of models) {
      for (const value of Object.values(model.parameter_template)) expect(["string", "number"]).toContain(typeof value);
      for (const path of [encodeURIComponent(model.name), model.name]) {
        const found = await client.call("retrieveBaseModelByName", `/v1/models/${path}`);
        expect([found.status, found.body]).toEqual([200, model]);
      }
    }
  });

  it("show the parameters of another task", async () => {
    const { client } = await newProject();
    const path = "/v1/models/Qwen3-4B-Instruct";
    const sft = (await client.call<Model>("retrieveBaseModelByName", path)).body.parameter_template;
    const grpo = await client.call<Model>("retrieveBaseModelByName", `${path}?training_technique=GRPO`);
    expect([sft["learning_rate"], sft["num_generations"]]).toEqual([2e-4, undefined]);
    expect(grpo.body.parameter_template).toMatchObject({ learning_rate: 5e-6, num_generations: 4, lora_rank: 32 });
  });
});

describe("projects", () => {
  it("are created with and without a name, listed, retrieved with what is in them, and deleted", async () => {
    const project = await newProject();
    const { client, path } = project;
    const numbered = await client.call<Id & { name: string }>("createProject", "/v1/projects", { method: "POST" });
    expect([numbered.status, numbered.body.name]).toEqual([201, "project-1"]);
    const datasetId = await newDataset(project, LABELLED, "labels.csv");
    const job = await newJob(project, {
      base_model: "anneal/tiny-bert",
      task_type: "classification",
      train_dataset_id: datasetId,
    });
    const listed = (await client.call<Id[]>("listProjects", "/v1/projects")).body.map(({ id }) => id);
    expect(listed).toEqual(expect.arrayContaining([project.id, numbered.body.id]));

    const detail = await client.call<{ datasets: Id[]; training_jobs: Job[] }>("retrieveProjectById", path);
    expect(detail.body).toEqual({
      id: project.id,
      name: "my_project",
      datasets: [expect.objectContaining({ id: datasetId, name: "labels" })],
      // Being offered to agents is a change too.
      training_jobs: [{ ...job, updated_at: expect.any(Number) }],
      deployments: [],
    });

    const refused = await client.call<EmissaryError>("deleteProjectById", path, { method: "DELETE" });
    expect([refused.status, refused.body.error]).toEqual([409, expect.stringContaining(`cancel ${job.id},`)]);
    await client.call("cancelTrainingJobById", `${path}/training-jobs/${job.id}/cancel`, { method: "POST" });
    expect((await client.call("deleteProjectById", path, { method: "DELETE" })).status).toBe(204);
    for (const gone of [path, `${path}/datasets`, `${path}/training-jobs`]) {
      expect((await ask(gone, { headers: { "x-api-key": project.account.apiKey } })).status).toBe(404);
    }
    expect((await client.call("retrieveDatasetById", `${path}/datasets/${datasetId}`)).status).toBe(404);
    expect((await client.call("retrieveTrainingJobById", `${path}/training-jobs/${job.id}`)).status).toBe(404);
  });
});

describe("datasets", () => {
  it("are uploaded as CSV or JSON Lines, downloaded in ranges without a key, and deleted", async () => {
    const project = await newProject();
    const { client, path } = project;
    const made = await client.upload(`${path}/datasets`, LABELLED, "labels.csv");
    expect(made.body).toEqual({
      id: expect.stringMatching(/^ds-/),
      name: "labels",
      created_at: expect.any(Number),
      is_uploaded: true,
    });
    const named = await client.upload(`${path}/datasets`, COMPLETIONS, "x.jsonl", { name: "my_dataset" });
    const list = await client.call<Id[]>("listDatasets", `${path}/datasets`);
    expect(list.body).toEqual([named.body, made.body]);

    const one = `${path}/datasets/${made.body.id}`;
    const detail = await client.call<{ dataset_download_url: string }>("retrieveDatasetById", one);
    expect(Object.keys(detail.body)).toEqual([
      ...["id", "name", "is_uploaded", "dataset_download_url", "upload_by", "created_at", "updated_at"],
    ]);
    const slice = await ask(detail.body.dataset_download_url, { headers: { range: "bytes=5-9" } });
    expect([slice.status, slice.body, slice.headers.get("content-range")]).toEqual([
      206,
      LABELLED.slice(5, 10),
      `bytes 5-9/${String(LABELLED.length)}`,
    ]);
    expect((await client.call("deleteDatasetById", one, { method: "DELETE" })).status).toBe(204);
    expect((await client.call("deleteDatasetById", one, { method: "DELETE" })).status).toBe(404);
    expect((await client.call<Id[]>("listDatasets", `${path}/datasets`)).body).toEqual([named.body]);
  });

  it("over 5 MB are refused with the way to send them, which ends in this project", async () => {
    const project = await newProject();
    const { client, path, account } = project;
    const row = `${JSON.stringify({ prompt: "p".repeat(500), completion: "c".repeat(500) })}\n`;
    const large = row.repeat(Math.ceil((5 * 1024 * 1024 + 1) / row.length));
    const refused = await client.upload<EmissaryError>(`${path}/datasets`, large, "large.jsonl");
    expect([refused.status, refused.body.error]).toEqual([413, expect.stringContaining("/anneal/v1/uploads")]);

    const { id } = (await account.post<Id>("/anneal/v1/uploads", { filename: "large.jsonl" })).body;
    await account.put(`/anneal/v1/uploads/${id}`, large);
    await account.post(`/anneal/v1/uploads/${id}/complete`, {});
    const form = new FormData();
    form.set("upload_id", id);
    const made = await client.call<Id>("createDataset", `${path}/datasets`, { method: "POST", body: form });
    expect([made.status, made.body]).toEqual([201, expect.objectContaining({ name: "large" })]);
    const again = await client.post<Id>("createDataset", `${path}/datasets`, { upload_id: id });
    expect(again.body.id).toBe(made.body.id);
    const elsewhere = await newProject(account);
    const taken = await client.post<EmissaryError>("createDataset", `${elsewhere.path}/datasets`, { upload_id: id });
    expect([taken.status, taken.body.error]).toEqual([409, expect.stringContaining("upload_id")]);
  });

  it("list by pages too, with the next one's address", async () => {
    const project = await newProject();
    const ids = [];
    for (let n = 0; n < 3; n += 1) ids.unshift(await newDataset(project, SCORED));
    const path = `${project.path}/datasets`;
    const first = await project.client.call<Id[]>("listDatasets", `${path}?limit=2`);
    expect(first.body.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const next = /<(.+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    const second = await project.client.call<Id[]>("listDatasets", next);
    expect([second.body.map(({ id }) => id), second.headers.get("link")]).toEqual([ids.slice(2), null]);
  });
});

describe("a training job", () => {
  it.each([
    ["classification", LABELLED, "rows.csv"],
    ["regression", SCORED, "rows.jsonl"],
    ["embedding", PAIRS, "rows.csv"],
  ])("of %s is Pending with its merged parameters, cancelled once, and deleted", async (task, rows, fileName) => {
    const project = await newProject();
    const { client, path } = project;
    const datasetId = await newDataset(project, rows, fileName);
    const testId = await newDataset(project, rows, fileName);
    const job = await newJob(project, {
      base_model: "anneal/tiny-bert",
      task_type: task,
      train_dataset_id: datasetId,
      test_dataset_id: testId,
      test_functions: ["sample_match_combined_metric_shared"],
      parameters: { num_train_epochs: 2, downsample_size: 50 },
    });
    expect(job).toEqual({
      id: expect.stringMatching(/^tr-[0-9a-z]{26}$/),
      name: "training-job-1",
      training_technique: "SFT",
      task_type: task,
      base_model_option: "pre-trained",
      base_model: "anneal/tiny-bert",
      test_functions: ["sample_match_combined_metric_shared"],
      status: "Pending",
      progress: 0,
      train_dataset_name: "rows",
      created_by: expect.any(String),
      created_at: expect.any(Number),
      updated_at: expect.any(Number),
    });
    const one = `${path}/training-jobs/${job.id}`;
    const detail = (await client.call<Job>("retrieveTrainingJobById", one)).body;
    expect(detail).toMatchObject({ train_dataset: { id: datasetId }, test_dataset: { id: testId }, training_loss: [] });
    expect(detail["hyper_parameters"]).toMatchObject({
      num_train_epochs: 2,
      downsample_size: 50,
      optim: "adamw_torch",
    });
    const listed = { ...job, updated_at: expect.any(Number) };
    expect((await client.call("listTrainingJobs", `${path}/training-jobs`)).body).toEqual([listed]);
    const busy = await client.call<EmissaryError>("deleteTrainingJobById", one, { method: "DELETE" });
    expect(busy.status).toBe(409);
    expect((await client.call("cancelTrainingJobById", `${one}/cancel`, { method: "POST" })).status).toBe(204);
    const again = await client.call<EmissaryError>("cancelTrainingJobById", `${one}/cancel`, { method: "POST" });
    expect([again.status, again.body.status]).toEqual([400, 400]);
    expect((await client.call<Job>("retrieveTrainingJobById", one)).body.status).toBe("Cancelled");
    expect((await client.call("deleteTrainingJobById", one, { method: "DELETE" })).status).toBe(204);
    expect((await client.call("retrieveTrainingJobById", one)).status).toBe(404);
  });

  it("begins from any model of the hub, however its link is written", async () => {
    const project = await newProject();
    const train_dataset_id = await newDataset(project, COMPLETIONS);
    const hub = "https://huggingface.co/some-one/a.model";
    for (const hf_model_link of [hub, `${hub}/`, `${hub}/tree/main`, `${hub}/tree/main/`, `${hub}?library=x#files`]) {
      const job = await newJob(project, { base_model: "HF_MODEL", hf_model_link, train_dataset_id });
      expect(job["base_model"]).toBe("some-one/a.model");
    }
    const one = { base_model: "HF_MODEL", hf_model_link: "hf.co/gpt2/", train_dataset_id };
    expect((await newJob(project, one))["base_model"]).toBe("gpt2");
  });

  it("is tested on rows that look simpler than those it is trained on", async () => {
    const project = await newProject();
    const severalEach = await newDataset(project, MULTILABEL);
    const oneEach = await newDataset(project, '{"prompt":"a","completion":{"x":1,"y":0}}\n');
    const labelled = await newDataset(project, LABELLED, "rows.csv");
    const allAlike = await newDataset(project, "text,label\nthe fifth,pos\n", "rows.csv");
    for (const [train_dataset_id, test_dataset_id] of [
      [severalEach, oneEach],
      [labelled, allAlike],
    ]) {
      const base = { base_model: "anneal/tiny-bert", task_type: "classification" };
      await newJob(project, { ...base, train_dataset_id, test_dataset_id });
    }
  });

  it("is made once for one Idempotency-Key", async () => {
    const project = await newProject();
    const body = { base_model: "anneal/tiny-llama", train_dataset_id: await newDataset(project, COMPLETIONS) };
    const elsewhere = await newProject(project.account);
    const send = (changes: Record<string, unknown>, { path } = project) =>
      project.client.call<Job>("createTrainingJob", `${path}/training-jobs`, {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": "once" },
        body: JSON.stringify({ ...body, ...changes }),
      });
    const made = await send({});
    expect((await send({})).body.id).toBe(made.body.id);
    expect((await send({ name: "another" })).status).toBe(409);
    // The dataset is not that project's.
    expect((await send({}, elsewhere)).status).toBe(400);
  });

  it("of GRPO shows its functions with their weights", async () => {
    const project = await newProject();
    const body = {
      base_model: "anneal/tiny-llama",
      train_dataset_id: await newDataset(project, COMPLETIONS),
      test_functions: ["test_similarity_shared", "json_format_valid"],
      reward: { test_similarity_shared: 0.9, json_format_valid: 0.1 },
      parameters: { num_generations: 2, per_device_train_batch_size: 4 },
    };
    const made = await project.client.post<Job>("createGRPOTrainingJob", `${project.path}/training-jobs/grpo`, body);
    expect([made.status, made.body]).toEqual([
      201,
      expect.objectContaining({
        training_technique: "GRPO",
        task_type: "text-generation",
        test_functions: body.test_functions,
        reward: body.reward,
      }),
    ]);
    const detail = await project.client.call<Job>(
      "retrieveTrainingJobById",
      `${project.path}/training-jobs/${made.body.id}`,
    );
    expect(detail.body["hyper_parameters"]).toMatchObject({
      ...{ num_generations: 2, per_device_train_batch_size: 4, gradient_accumulation_steps: 1 },
      ...{ lora_rank: 32, lora_alpha: 64, lora_dropout: 0.05 },
    });
  });

  it("runs to Success, has a checkpoint, and is trained on by its name or its id", async () => {
    const project = await newProject();
    const { client, path } = project;
    const train_dataset_id = await newDataset(project, COMPLETIONS);
    const base = { base_model: "anneal/tiny-llama", train_dataset_id, parameters: { logging_steps: 1 } };
    const job = await newJob(project, { ...base, name: "first" });
    const lease = await (await WorkerAgent.register(project.account)).lease();
    await lease.started(2);
    await lease.metrics({ 1: { loss: 2.5 }, 2: { loss: 1.5 } });
    const one = `${path}/training-jobs/${job.id}`;
    const running = (await client.call<Job & { training_loss: { loss: number }[] }>("retrieveTrainingJobById", one))
      .body;
    expect(running.status).toBe("Running");
    expect(running.training_loss.map(({ loss }) => loss)).toEqual([2.5, 1.5]);
    expect((await client.call("listCheckpoints", `${one}/checkpoints`)).body).toEqual([]);
    await lease.complete({ "config.json": "{}", "model.safetensors": "weights" }, 2);

    expect((await client.call<Job>("retrieveTrainingJobById", one)).body).toMatchObject({
      status: "Success",
      progress: 100,
    });
    const checkpoints = await client.call<{ checkpoint: number; model_download_url: string }[]>(
      "listCheckpoints",
      `${one}/checkpoints`,
    );
    expect(checkpoints.body.map(({ checkpoint }) => checkpoint)).toEqual([1]);
    const url = checkpoints.body[0]?.model_download_url ?? "";
    expect((await ask(url, { headers: { range: "bytes=0-1" } })).status).toBe(206);

    const elsewhere = await newProject(project.account);
    const foreign = { ...base, train_dataset_id: await newDataset(elsewhere, COMPLETIONS) };
    for (const [where, changes, field] of [
      [project, { ...base, base_model: "first", checkpoint: 2 }, "checkpoint"],
      [project, { ...base, base_model: job.id, checkpoint: 99 }, "checkpoint"],
      [elsewhere, { ...foreign, base_model: "first", checkpoint: 1 }, "base_model"],
      [elsewhere, { ...foreign, base_model: job.id, checkpoint: 1 }, "base_model"],
    ] as const) {
      const body = { ...changes, base_model_option: "fine-tuned" };
      const refused = await client.post<EmissaryError>("createTrainingJob", `${where.path}/training-jobs`, body);
      expect([refused.status, refused.body.error]).toEqual([400, expect.stringMatching(new RegExp(`^${field}\\b`))]);
    }
    for (const base_model of ["first", job.id]) {
      const next = await newJob(project, { ...base, base_model_option: "fine-tuned", base_model, checkpoint: 1 });
      expect(next).toMatchObject({
        base_model_option: "fine-tuned",
        base_model: "anneal/tiny-llama",
        base_fine_tuned_model: "first",
        base_fine_tuned_model_checkpoint: 1,
      });
    }
  });

  it("with a test set is Testing after its training, and each checkpoint has its results", async () => {
    const project = await newProject();
    const { client, path } = project;
    const job = await newJob(project, {
      ...{ base_model: "anneal/tiny-bert", task_type: "classification", train_test_split_ratio: 25 },
      ...{ train_dataset_id: await newDataset(project, LABELLED, "rows.csv"), parameters: { num_train_epochs: 2 } },
      test_functions: ["classification_score", "sample_match_combined_metric_shared"],
    });
    const one = `${path}/training-jobs/${job.id}`;
    const retrieved = async () => (await client.call<Job>("retrieveTrainingJobById", one)).body;
    const lease = await (await WorkerAgent.register(project.account)).lease();
    await lease.started(4);
    await lease.commitModel("epoch", { "config.json": "{}" }, 2, 1);
    await lease.report([{ type: "progress", ts_ms: Date.now(), step: 2, total_steps: 4, epoch: 1 }]);
    expect(await retrieved()).toMatchObject({ status: "Running", progress: 45 });
    await lease.commitModel("final", { "config.json": "{}" }, 4, 2);
    await lease.report([{ type: "testing", ts_ms: Date.now(), done: 0, total: 2 }]);
    expect(await retrieved()).toMatchObject({ status: "Testing", progress: 90 });
    const row = { input: "x", expected_output: "{'a': 1.0}", output: "{'a': 0.9}", classification_score: 1 };
    await lease.commitTest(2, [row], { classification_score: 1 / 3 });
    await lease.report([{ type: "testing", ts_ms: Date.now(), done: 1, total: 2 }]);
    const checkpoints = () => client.call<TestedCheckpoint[]>("listCheckpoints", `${one}/checkpoints`);
    expect((await checkpoints()).body.map(({ test_results }) => test_results === undefined)).toEqual([false, true]);
    await lease.commitTest(4, [row], { classification_score: 0.94, sample_match_combined_metric_shared: 1 });
    await lease.finish(4);
    expect(await retrieved()).toMatchObject({ status: "Success", progress: 100 });

    const tested = (await checkpoints()).body;
    expect(tested.map((each) => [each.checkpoint, each.test_results?.aggregated_test_result])).toEqual([
      [1, { classification_score: "0.333333" }],
      [2, { classification_score: "0.94", sample_match_combined_metric_shared: "1" }],
    ]);
    const table = await ask(tested[1]?.test_results?.general_test_result ?? "");
    expect([table.status, table.body]).toEqual([200, `${JSON.stringify(row)}\n`]);
  });

  it("made here is in Veri's list, and the other way round", async () => {
    const account = await newAccountClient();
    const project = await newProject(account);
    const datasetId = await newDataset(project, BINARY);
    const job = await newJob(project, {
      base_model: "anneal/tiny-bert",
      task_type: "classification",
      train_dataset_id: datasetId,
      rebalance_data: { positive: 0.5, negative: 0.5 },
    });
    const inVeri = (await account.get<{ data: Job[] }>("/v1/training_jobs?method=sft_classification&status=queued"))
      .body;
    expect(inVeri.data).toEqual([
      expect.objectContaining({ id: `job_${job.id.slice(3)}`, status: "queued", method: "sft_classification" }),
    ]);
    const got = await account.get<Job>(`/v1/training_jobs/job_${job.id.slice(3)}`);
    expect(got.body).toMatchObject({ method: "sft_classification", reward_function_id: null });

    const keys = await account.get<{ data: { project_id: string }[] }>("/anneal/v1/keys");
    const own = keys.body.data[0]?.project_id ?? "";
    const veriDataset = await account.upload<Id>("/v1/datasets", { fields: { name: "v" }, file: COMPLETIONS });
    const made = await account.post<Id>("/v1/training_jobs", {
      ...{ base_model: "anneal/tiny-llama", method: "sft_text", output_name: "from Veri" },
      ...{ dataset_id: veriDataset.body.id, gpu: { type: "L4-24GB", count: 1 } },
    });
    expect(made.status, JSON.stringify(made.body)).toBe(200);
    const list = await project.client.call<Job[]>("listTrainingJobs", `/v1/projects/${own}/training-jobs`);
    expect(list.body).toEqual([
      expect.objectContaining({
        ...{ id: `tr-${made.body.id.slice(4)}`, name: "from Veri", status: "Pending" },
        ...{ training_technique: "SFT", task_type: "text-generation", train_dataset_name: "v" },
      }),
    ]);
  });
});

describe("testing functions", () => {
  it("are the shared ones and the account's own", async () => {
    const project = await newProject();
    const source = "def ends_well(input_text, expected_output, predicted_output):\n    return 1.0\n";
    await project.account.post("/anneal/v1/functions", { name: "ends_well", format: "test", source });
    const list = await project.client.call<{ name: string; content: string; dependencies: string[] }[]>(
      "listTestFunctions",
      "/v1/testing-functions",
    );
    const names = list.body.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["sample_match_combined_metric_shared", "test_similarity_shared"]));
    expect(list.body.find(({ name }) => name === "ends_well")).toEqual({
      name: "ends_well",
      content: source,
      dependencies: [],
    });
    for (const { name, content } of list.body) expect(content).toContain(`def ${name}(`);
    const job = await newJob(project, {
      ...{ base_model: "anneal/tiny-llama", train_dataset_id: await newDataset(project, COMPLETIONS) },
      ...{ train_test_split_ratio: 50, test_functions: ["ends_well", "test_similarity_shared"] },
    });
    expect(job["test_functions"]).toEqual(["ends_well", "test_similarity_shared"]);
  });
});
