/** What Emissary's operations refuse, each in the maker's shape and naming what is wrong. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ask } from "../harness/worker-client";
import {
  BINARY,
  COMPLETIONS,
  EmissaryClient,
  LABELLED,
  MULTILABEL,
  newDataset,
  newProject,
  SCORED,
  type EmissaryError,
} from "./emissary-setup";

const project = await newProject();
const { client, path } = project;
const elsewhere = await newProject(project.account);
const labelled = await newDataset(project, LABELLED, "labels.csv");
const binary = await newDataset(project, BINARY);
const multilabel = await newDataset(project, MULTILABEL);
const oneOfTwo = await newDataset(
  project,
  '{"prompt":"a","completion":{"x":1,"y":0}}\n{"prompt":"b","completion":{"x":0,"y":1}}\n',
);
const nameless = await newDataset(project, '{"prompt":"x","completion":{"":1,"b":0}}\n');
const scored = await newDataset(project, SCORED);
const completions = await newDataset(project, COMPLETIONS);
const prompts = await newDataset(project, '{"prompt":"1+1="}\n');
const foreign = await newDataset(elsewhere, LABELLED, "labels.csv");
const nobodys = `ds-${"0".repeat(26)}`;

const sft = (changes: Record<string, unknown>) =>
  client.post<EmissaryError>("createTrainingJob", `${path}/training-jobs`, {
    base_model: "anneal/tiny-bert",
    task_type: "classification",
    train_dataset_id: labelled,
    ...changes,
  });

const grpo = (changes: Record<string, unknown>) =>
  client.post<EmissaryError>("createGRPOTrainingJob", `${path}/training-jobs/grpo`, {
    base_model: "anneal/tiny-llama",
    train_dataset_id: completions,
    test_functions: ["test_similarity_shared", "json_format_valid"],
    reward: { test_similarity_shared: 0.75, json_format_valid: 0.25 },
    ...changes,
  });

function expectRefusal(answer: { status: number; body: EmissaryError }, field: string): void {
  expect([answer.status, answer.body.status], answer.body.error).toEqual([400, 400]);
  expect(Object.keys(answer.body)).toEqual(["status", "error"]);
  expect(answer.body.error).toMatch(new RegExp(`^${field.replaceAll(".", "\\.")}\\b`));
}

describe("an SFT job is refused with", () => {
  const text = { base_model: "anneal/tiny-llama", task_type: "text-generation" };
  it.each<[string, Record<string, unknown>, string]>([
    ["no base model", { base_model: undefined }, "base_model"],
    ["an unknown base model", { base_model: "no-such-model" }, "base_model"],
    ["a base model that has not this task", { task_type: "text-generation" }, "base_model"],
    ["another dialect's reference", { base_model: `job_${"0".repeat(26)}` }, "base_model"],
    ["HF_MODEL without a link", { base_model: "HF_MODEL" }, "hf_model_link"],
    ["a link without HF_MODEL", { hf_model_link: "https://huggingface.co/a/b" }, "hf_model_link"],
    ["a link that is none", { base_model: "HF_MODEL", hf_model_link: "https://example.org/a/b/c" }, "hf_model_link"],
    ["a job that nobody has", { base_model_option: "fine-tuned", base_model: "nope", checkpoint: 1 }, "base_model"],
    [
      "a job's id that nobody has",
      { base_model_option: "fine-tuned", base_model: `tr-${"0".repeat(26)}`, checkpoint: 1 },
      "base_model",
    ],
    [
      "a link that is very long",
      { base_model: "HF_MODEL", hf_model_link: `hf.co/a${"/".repeat(500_000)}b` },
      "hf_model_link",
    ],
    ["a link to one file", { base_model: "HF_MODEL", hf_model_link: "hf.co/a/b/blob/main/x" }, "hf_model_link"],
    [
      "very many functions",
      { test_functions: Array.from({ length: 21 }, (_, n) => `f${String(n)}`) },
      "test_functions",
    ],
    ["fine-tuned without a checkpoint", { base_model_option: "fine-tuned", base_model: "nope" }, "checkpoint"],
    ["a checkpoint of no number", { base_model_option: "fine-tuned", base_model: "x", checkpoint: 1.5 }, "checkpoint"],
    ["a checkpoint of a pre-trained model", { checkpoint: 1 }, "checkpoint"],
    ["an unknown option", { base_model_option: "other" }, "base_model_option"],
    ["an unknown task", { task_type: "ner" }, "task_type"],
    ["no dataset", { train_dataset_id: undefined }, "train_dataset_id"],
    ["a dataset that nobody has", { train_dataset_id: nobodys }, "train_dataset_id"],
    ["a dataset's id of another form", { train_dataset_id: `ds_${labelled.slice(3)}` }, "train_dataset_id"],
    ["a dataset of another project", { train_dataset_id: foreign }, "train_dataset_id"],
    ["a test dataset of another project", { test_dataset_id: foreign }, "test_dataset_id"],
    ["a test dataset of another format", { test_dataset_id: scored }, "test_dataset_id"],
    [
      "several labels a row to test one of many",
      { train_dataset_id: oneOfTwo, test_dataset_id: multilabel },
      "test_dataset_id",
    ],
    ["a label without a name", { train_dataset_id: nameless, rebalance_data: { "": 0.5, b: 0.5 } }, "train_dataset_id"],
    ["rows that are not for the task", { task_type: "regression", train_dataset_id: labelled }, "train_dataset_id"],
    ["nothing to test on", { train_test_split_ratio: 100 }, "train_test_split_ratio"],
    ["a split of 0", { train_test_split_ratio: 0 }, "train_test_split_ratio"],
    ["an unknown function", { test_functions: ["nope"] }, "test_functions"],
    ["an unknown function to test by", { test_functions: ["nope"], train_test_split_ratio: 20 }, "test_functions"],
    ["an empty name", { name: " " }, "name"],
    ["a name with NUL", { name: "a\0b" }, "name"],
    ["half of a surrogate pair", { name: "\ud800" }, "name"],
    ["an unknown field", { nmae: "x" }, "nmae"],
    ["an unknown parameter", { parameters: { learning_rte: 1 } }, "parameters.learning_rte"],
    ["a parameter out of range", { parameters: { learning_rate: -1 } }, "parameters.learning_rate"],
    ["no epochs", { parameters: { num_train_epochs: 0 } }, "parameters.num_train_epochs"],
    ["half a batch", { parameters: { per_device_train_batch_size: 0.5 } }, "parameters.per_device_train_batch_size"],
    ["no rows", { parameters: { downsample_size: 0 } }, "parameters.downsample_size"],
    ["an unknown optimizer", { parameters: { optim: "sgd" } }, "parameters.optim"],
    [
      "dynamic loss where there is none",
      {
        ...text,
        task_type: "regression",
        train_dataset_id: scored,
        base_model: "BERT",
        parameters: { dynamic_loss: true },
      },
      "parameters.dynamic_loss",
    ],
    ["a balance of nothing", { rebalance_data: {} }, "rebalance_data"],
    ["a balance of text", { ...text, train_dataset_id: completions, rebalance_data: { a: 1 } }, "rebalance_data"],
    [
      "a balance of an unknown label",
      { rebalance_data: { pos: 0.5, neg: 0.25, neutral: 0, nope: 0.25 } },
      "rebalance_data",
    ],
    ["a share missing for a label", { rebalance_data: { pos: 0.5, neg: 0.5 } }, "rebalance_data"],
    ["shares that are not a whole", { rebalance_data: { pos: 0.5, neg: 0.2, neutral: 0.2 } }, "rebalance_data"],
    ["shares and numbers mixed", { rebalance_data: { pos: 0.5, neg: 20 } }, "rebalance_data"],
    ["fewer than no rows", { rebalance_data: { pos: -1 } }, "rebalance_data"],
    ["the key of binary data", { train_dataset_id: binary, rebalance_data: { is_cat: 1 } }, "rebalance_data"],
    [
      "a balance of several labels a row",
      { train_dataset_id: multilabel, rebalance_data: { x: 0.5, y: 0.5 } },
      "rebalance_data",
    ],
  ])("%s", async (_, changes, field) => {
    expectRefusal(await sft(changes), field);
  });
});

describe("a GRPO job is refused with", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["another task", { task_type: "classification" }, "task_type"],
    ["no function", { test_functions: [] }, "test_functions"],
    ["no weights", { reward: undefined }, "reward"],
    [
      "very many functions",
      { test_functions: Array.from({ length: 30_000 }, (_, n) => `f${String(n)}`), reward: { f0: 1 } },
      "test_functions",
    ],
    ["an unknown function", { test_functions: ["nope"], reward: { nope: 1 } }, "test_functions"],
    [
      "a function twice",
      { test_functions: ["json_format_valid", "json_format_valid"], reward: { json_format_valid: 1 } },
      "test_functions",
    ],
    ["weights that miss a function", { reward: { test_similarity_shared: 1 } }, "reward"],
    [
      "weights of another function",
      { reward: { test_similarity_shared: 0.5, json_format_valid: 0.25, other: 0.25 } },
      "reward",
    ],
    ["weights that do not sum to 1", { reward: { test_similarity_shared: 0.5, json_format_valid: 0.25 } }, "reward"],
    ["a weight below 0", { reward: { test_similarity_shared: 1.25, json_format_valid: -0.25 } }, "reward"],
    ["rows without an answer", { train_dataset_id: prompts }, "train_dataset_id"],
    ["rows without a prompt", { train_dataset_id: scored }, "train_dataset_id"],
    ["a base that writes no text", { base_model: "anneal/tiny-bert" }, "base_model"],
    ["a parameter of the other technique", { parameters: { dynamic_loss: true } }, "parameters.dynamic_loss"],
    [
      "groups that do not fit the batch",
      { parameters: { num_generations: 3, per_device_train_batch_size: 4 } },
      "parameters.per_device_train_batch_size",
    ],
    ["a balance", { rebalance_data: { a: 1 } }, "rebalance_data"],
  ])("%s", async (_, changes, field) => {
    expectRefusal(await grpo(changes), field);
  });
});

describe("whatever a job's body is", () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.double(),
    fc.string({ unit: "binary" }),
    fc.constantFrom(labelled, scored, completions, foreign, "anneal/tiny-bert", "HF_MODEL", "fine-tuned", "regression"),
    fc.constantFrom("https://huggingface.co/a/b", "/etc/passwd", "tr-", "\ud800", "\0", 1e300, -0, ["x", "x"], {
      x: 1,
    }),
  );
  const keys = [
    ...[
      "base_model_option",
      "base_model",
      "checkpoint",
      "train_dataset_id",
      "test_dataset_id",
      "train_test_split_ratio",
    ],
    ...[
      "test_functions",
      "name",
      "description",
      "task_type",
      "parameters",
      "rebalance_data",
      "hf_model_link",
      "reward",
    ],
  ];
  const changes = fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 });

  it.each([
    ["SFT", sft],
    ["GRPO", grpo],
  ])(
    "%s: it makes a job, or is a bad request in the maker's shape",
    async (_, create) => {
      await fc.assert(
        fc.asyncProperty(changes, async (sent) => {
          expect([201, 400]).toContain((await create({ ...sent })).status);
        }),
        { numRuns: 150 },
      );
    },
    60_000,
  );
});

describe("a dataset is refused with", () => {
  const upload = (content: string, fileName: string, fields = {}) =>
    client.upload<EmissaryError>(`${path}/datasets`, content, fileName, fields);

  it("a CSV with a missing cell, naming the line", async () => {
    const answer = await upload("text,label\na,b\nc\n", "rows.csv");
    expectRefusal(answer, "file");
    expect(answer.body.error).toMatch(/line 3/);
  });

  it("an unknown upload, no file, an empty name, a field that is none", async () => {
    const none = await client.post<EmissaryError>("createDataset", `${path}/datasets`, {
      upload_id: `up_${"0".repeat(26)}`,
    });
    expectRefusal(none, "upload_id");
    const form = new FormData();
    form.set("name", "x");
    const empty = await client.call<EmissaryError>("createDataset", `${path}/datasets`, { method: "POST", body: form });
    expectRefusal(empty, "file");
    expectRefusal(await upload(SCORED, "rows.jsonl", { nmae: "x" }), "nmae");
    expectRefusal(await upload(SCORED, "rows.jsonl", { upload_id: "up_x" }), "upload_id");
  });
});

it("a project is refused with a name that is none", async () => {
  for (const name of [" ", "x".repeat(201), "a\0b", 7]) {
    expectRefusal(await client.post<EmissaryError>("createProject", "/v1/projects", { name }), "name");
  }
});

describe("every operation", () => {
  const zero = "0".repeat(26);
  const OPERATIONS: [operationId: string, method: string, path: string][] = [
    ["listBaseModels", "GET", "/v1/models"],
    ["retrieveBaseModelByName", "GET", "/v1/models/nope"],
    ["createProject", "POST", "/v1/projects"],
    ["listProjects", "GET", "/v1/projects"],
    ["retrieveProjectById", "GET", `/v1/projects/ms-${zero}`],
    ["deleteProjectById", "DELETE", `/v1/projects/ms-${zero}`],
    ["createDataset", "POST", `/v1/projects/ms-${zero}/datasets`],
    ["listDatasets", "GET", `/v1/projects/ms-${zero}/datasets`],
    ["retrieveDatasetById", "GET", `${path}/datasets/${nobodys}`],
    ["deleteDatasetById", "DELETE", `${path}/datasets/${nobodys}`],
    ["createTrainingJob", "POST", `/v1/projects/ms-${zero}/training-jobs`],
    ["createGRPOTrainingJob", "POST", `/v1/projects/ms-${zero}/training-jobs/grpo`],
    ["listTrainingJobs", "GET", `/v1/projects/ms-${zero}/training-jobs`],
    ["retrieveTrainingJobById", "GET", `${path}/training-jobs/tr-${zero}`],
    ["deleteTrainingJobById", "DELETE", `${path}/training-jobs/tr-${zero}`],
    ["cancelTrainingJobById", "POST", `${path}/training-jobs/tr-${zero}/cancel`],
    ["listCheckpoints", "GET", `${path}/training-jobs/tr-${zero}/checkpoints`],
    ["listTestFunctions", "GET", "/v1/testing-functions"],
  ];
  const named = OPERATIONS.filter(([, , where]) => where.includes(zero) || where.endsWith("nope"));
  const bodies: Record<string, RequestInit> = {
    createTrainingJob: {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ base_model: "BERT", train_dataset_id: labelled }),
    },
    createGRPOTrainingJob: {
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ base_model: "BERT", train_dataset_id: labelled, test_functions: ["x"], reward: { x: 1 } }),
    },
  };

  it.each(OPERATIONS)("%s needs a key", async (operationId, method, where) => {
    const answer = await new EmissaryClient("sk-00wrong").call<EmissaryError>(operationId, where, { method });
    expect([answer.status, answer.body.status, Object.keys(answer.body)]).toEqual([401, 401, ["status", "error"]]);
    const without = await ask<EmissaryError>(where, { method });
    expect([without.status, Object.keys(without.body)]).toEqual([401, ["status", "error"]]);
  });

  it.each(named)("%s answers 404 for what is not there", async (operationId, method, where) => {
    const answer = await client.call<EmissaryError>(operationId, where, { method, ...bodies[operationId] });
    expect([answer.status, answer.body]).toEqual([
      404,
      { status: 404, error: expect.any(String), code: "object_not_found" },
    ]);
  });

  it("finds nothing of another project, nor under another dialect's ids", async () => {
    const where = [
      `${path}/datasets/${foreign}`,
      `${elsewhere.path}/datasets/${labelled}`,
      `${path}/datasets/ds_${labelled.slice(3)}`,
      `${path}/datasets/%00`,
      `${path}/training-jobs/%ff`,
      `/v1/projects/ms_${project.id.slice(3)}`,
    ];
    for (const one of where) {
      const answer = await ask<EmissaryError>(one, { headers: { "x-api-key": project.account.apiKey } });
      expect([one, answer.status, answer.body.code]).toEqual([one, 404, "object_not_found"]);
    }
  });

  it("answers wrong methods, types and JSON in the same shape", async () => {
    const headers = { "x-api-key": project.account.apiKey };
    const json = { ...headers, "content-type": "application/json" };
    const cases: [string, RequestInit, number][] = [
      ["/v1/projects", { method: "PUT", headers }, 405],
      [`${path}/training-jobs`, { method: "POST", headers, body: "base_model=x" }, 415],
      [`${path}/training-jobs`, { method: "POST", headers: json, body: "{" }, 400],
      [`${path}/training-jobs`, { method: "POST", headers: json, body: "[]" }, 400],
      [`${path}/datasets`, { method: "POST", headers, body: "text" }, 415],
      ["/v1/projects", { method: "POST", headers: json, body: '{"name":null}' }, 201],
      ["/v1/projects?limit=0", { headers }, 400],
      ["/v1/models?task_type=nope", { headers }, 400],
    ];
    for (const [where, init, status] of cases) {
      const answer = await ask<EmissaryError>(where, init);
      expect([where, answer.status], JSON.stringify(answer.body)).toEqual([where, status]);
      if (status >= 400) expect(answer.body).toEqual({ status, error: expect.any(String) });
    }
  });
});
