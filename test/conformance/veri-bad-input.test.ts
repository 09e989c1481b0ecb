import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { WORKER_URL } from "../harness/worker-client";
import {
  createRequest,
  newVeriAccount,
  newVeriJob,
  REWARD,
  type Id,
  type VeriAccount,
  type VeriError,
} from "./veri-setup";

const account: VeriAccount = await newVeriAccount();
const { client } = account;
const textOnly = (await client.upload<Id>("/v1/datasets", { fields: { name: "text" }, file: '{"text":"hello"}\n' }))
  .body.id;

function expectRefusal(answer: { status: number; body: VeriError }, status: number, param: string | null): string {
  const { error } = answer.body;
  expect([answer.status, error.param], error.message).toEqual([status, param]);
  expect(Object.keys(error)).toEqual(["type", "code", "message", "param"]);
  return error.message;
}

const create = (changes: Record<string, unknown>) =>
  client.post<VeriError>("/v1/training_jobs", createRequest(account, changes));

describe("POST /v1/training_jobs refuses", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["an unknown method", { method: "dpo" }, "method"],
    ["video training", { method: "sft_video_gen", reward_function_id: undefined }, "method"],
    ["an unknown GPU type", { gpu: { type: "Z9-1GB", count: 1 } }, "gpu.type"],
    ["too many GPUs", { gpu: { type: "A100-80GB", count: 99 } }, "gpu.count"],
    ["no GPU", { gpu: undefined }, "gpu"],
    ["a GPU without a count", { gpu: { type: "A100-80GB" } }, "gpu.count"],
    ["a GPU without a type", { gpu: { count: 1 } }, "gpu.type"],
    ["two GPU types", { gpu: { type: "A100-80GB", gpu_type: "L4-24GB", count: 1 } }, "gpu.type"],
    ["a GPU with other fields", { gpu: { type: "A100-80GB", count: 1, spot: true } }, "gpu.spot"],
    ["an unknown provider", { provider: "aws" }, "provider"],
    ["a provider without a key", { provider: "lambda" }, "provider"],
    ["an unknown hyperparameter", { hyperparameters: { learning_rat: 1 } }, "hyperparameters.learning_rat"],
    ["a value out of range", { hyperparameters: { learning_rate: -1 } }, "hyperparameters.learning_rate"],
    [
      "a batch that is no multiple of the rollouts",
      { hyperparameters: { rollouts_per_prompt: 8, global_batch_size: 12 } },
      "hyperparameters.global_batch_size",
    ],
    ["no reward for grpo", { reward_function_id: undefined }, "reward_function_id"],
    ["a reward for sft_text", { method: "sft_text", hyperparameters: {} }, "reward_function_id"],
    ["both reward sources", { environments: { sandbox: { splits: ["train"] } } }, "environments"],
    [
      "environments without their integration",
      { environments: { sandbox: { splits: ["train"] } }, reward_function_id: undefined },
      "environments",
    ],
    ["both ways to name functions", { reward_function_ids: ["rf_1"] }, "reward_function_ids"],
    ["weights that do not match", { reward_weights: [1, 2] }, "reward_weights"],
    ["another destination", { checkpoint_destination: { type: "s3" } }, "checkpoint_destination.type"],
    [
      "another destination with its fields",
      { checkpoint_destination: { type: "s3", uri: "s3://b/x" } },
      "checkpoint_destination.type",
    ],
    [
      "a field that the destination has not",
      { checkpoint_destination: { type: "veri", uri: "x" } },
      "checkpoint_destination.uri",
    ],
    ["an empty provider", { provider: "" }, "provider"],
    ["a path without provider local", { base_model: "/models/mine" }, "base_model"],
    ["a destination without a type", { checkpoint_destination: {} }, "checkpoint_destination.type"],
    ["no base model", { base_model: undefined }, "base_model"],
    ["an unknown built-in model", { base_model: "anneal/huge-llama" }, "base_model"],
    ["no output name", { output_name: undefined }, "output_name"],
    ["an empty output name", { output_name: "" }, "output_name"],
    ["no dataset", { dataset_id: undefined }, "dataset_id"],
    ["a dataset without prompts for grpo", { dataset_id: textOnly }, "dataset_id"],
    ["an unknown field", { colour: "red" }, "colour"],
    ["a region", { region: "us-east-1" }, "region"],
    ["a volume", { volume: "v" }, "volume"],
    ["a script", { script: { entrypoint: "x" } }, "script"],
    ["a push", { hf_push: { repo: "a/b" } }, "hf_push"],
    ["several nodes", { num_nodes: 2 }, "num_nodes"],
    ["a custom script job", { job_type: "custom_script", base_model: undefined }, "job_type"],
  ])("%s", async (_, changes, param) => {
    const message = expectRefusal(await create(changes), 400, param);
    expect(message.startsWith(param)).toBe(true);
  });

  it("ids that are not of this account or of another form, with 404", async () => {
    const other = await newVeriAccount();
    for (const id of [other.datasetId, account.rewardFunctionId, "ds_1", account.datasetId.slice(3)]) {
      expectRefusal(await create({ dataset_id: id }), 404, "dataset_id");
    }
    for (const id of [other.rewardFunctionId, account.datasetId, ""]) {
      expectRefusal(await create({ reward_function_id: id }), 404, "reward_function_id");
    }
  });

  it("malformed JSON, no object, and other media types", async () => {
    expectRefusal(await client.post<VeriError>("/v1/training_jobs", "{"), 400, null);
    expectRefusal(await client.post<VeriError>("/v1/training_jobs", "[]"), 400, null);
    const text = await client.post<VeriError>("/v1/training_jobs", "{}", { "content-type": "text/plain" });
    expectRefusal(text, 415, null);
    expectRefusal(await create({ output_name: "x".repeat(1024 * 1024) }), 413, null);
  });

  it("another body under the same Idempotency-Key, and gives the same job for the same one", async () => {
    const once = { "idempotency-key": "once" };
    const first = await client.post<Id>("/v1/training_jobs", createRequest(account), once);
    const again = await client.post<Id>("/v1/training_jobs", createRequest(account), once);
    expect(again.body.id).toBe(first.body.id);
    const changed = createRequest(account, { output_name: "other" });
    const refused = await client.post<VeriError>("/v1/training_jobs", changed, once);
    expectRefusal(refused, 409, null);
    expect(refused.body.error.code).toBe("idempotency_mismatch");
  });
});

describe("POST /v1/training_jobs takes", () => {
  it("what the published client sends", async () => {
    const answer = await client.post<Record<string, unknown>>(
      "/v1/training_jobs",
      createRequest(account, {
        gpu: { gpu_type: "A100-80GB", gpu_count: 1 },
        requires_heartbeat: true,
        hyperparameters: {},
        region: null,
        num_nodes: 1,
        hf_push: null,
      }),
    );
    expect(answer.status).toBe(200);
    expect(answer.body["gpu_requested"]).toEqual({ type: "A100-80GB", count: 1 });
  });

  it("sft_text with the defaults of the companion", async () => {
    const answer = await create({ method: "sft_text", reward_function_id: null, hyperparameters: { lora_rank: 8 } });
    expect(answer.status).toBe(400);
    const chat = await client.upload<Id>("/v1/datasets", {
      fields: { name: "chat" },
      file: '{"prompt":"a","completion":"b"}\n',
    });
    const job = await client.post<Record<string, unknown>>(
      "/v1/training_jobs",
      createRequest(account, {
        method: "sft_text",
        dataset_id: chat.body.id,
        reward_function_id: null,
        hyperparameters: { lora_rank: 8 },
      }),
    );
    expect(job.body["reward_function_id"]).toBeNull();
    expect(JSON.stringify(job.body["hyperparameters"])).toBe(
      JSON.stringify({
        learning_rate: 2e-5,
        num_epochs: 1,
        max_steps: null,
        batch_size: 1,
        global_batch_size: 1,
        max_seq_length: 1024,
        seed: 42,
        lora_rank: 8,
      }),
    );
  });

  it("several weighted reward functions, of which none is the one", async () => {
    const second = await client.upload<Id>("/v1/reward_functions", { fields: { name: "second" }, file: REWARD });
    const answer = await client.post<Record<string, unknown>>(
      "/v1/training_jobs",
      createRequest(account, {
        reward_function_id: undefined,
        reward_function_ids: [account.rewardFunctionId, second.body.id],
        reward_weights: [1, 0.5],
      }),
    );
    expect(answer.status).toBe(200);
    expect(answer.body["reward_function_id"]).toBeNull();
  });

  it("GRPO when no method is named", async () => {
    const answer = await client.post<Record<string, unknown>>(
      "/v1/training_jobs",
      createRequest(account, { method: undefined }),
    );
    expect(answer.body["method"]).toBe("grpo");
  });
});

describe("POST /v1/datasets refuses", () => {
  const upload = (file: string | Uint8Array) =>
    client.upload<VeriError>("/v1/datasets", { fields: { name: "bad" }, file });

  it("broken rows, and says which line", async () => {
    expect(expectRefusal(await upload('{"prompt":"a"}\n{"prompt":\n'), 400, "file")).toMatch(/line 2/);
    expect(expectRefusal(await upload('{"prompt":"a"}\n\n{"text":"b"}\n'), 400, "file")).toMatch(/line 3/);
    expect(expectRefusal(await upload('{"foo":1}\n'), 400, "file")).toMatch(/prompt.*messages.*text/);
    expectRefusal(await upload("[1]\n"), 400, "file");
    expectRefusal(await upload(""), 400, "file");
    expectRefusal(await upload(Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)), 400, "file");
  });

  it("forms without a name or a file, and other media types", async () => {
    expectRefusal(await client.upload<VeriError>("/v1/datasets", { file: '{"prompt":"p"}' }), 400, "name");
    expectRefusal(await client.upload<VeriError>("/v1/datasets", { fields: { name: "x" } }), 400, "file");
    expectRefusal(await client.post<VeriError>("/v1/datasets", "x", { "content-type": "text/plain" }), 415, null);
  });

  it("an upload that does not exist, is another's, or is not complete", async () => {
    expectRefusal(await client.post<VeriError>("/v1/datasets", { name: "x" }), 400, "upload_id");
    for (const upload_id of ["up_1", "up_00000000000000000000000000"]) {
      expectRefusal(await client.post<VeriError>("/v1/datasets", { upload_id }), 404, "upload_id");
    }
    const { id: upload_id } = (await client.post<Id>("/anneal/v1/uploads", { filename: "f" })).body;
    expectRefusal(await client.post<VeriError>("/v1/datasets", { upload_id }), 409, "upload_id");
  });

  it("a body over the limit, and says where larger files go", async () => {
    const headers = { "content-type": "multipart/form-data; boundary=b", "content-length": String(2 ** 30) };
    const answer = await client.post<VeriError>("/v1/datasets", "x", headers);
    expectRefusal(answer, 413, null);
    expect(answer.body.error.message).toContain("/anneal/v1/uploads");
  });

  it("nothing about the order of a form's fields", async () => {
    const form = new FormData();
    form.set("file", new File(['{"prompt":"p"}'], "file"));
    form.set("name", "after");
    const answer = await exports.default.fetch(
      new Request(`${WORKER_URL}/v1/datasets`, {
        method: "POST",
        headers: { authorization: `Bearer ${client.apiKey}` },
        body: form,
      }),
    );
    expect([answer.status, ((await answer.json()) as { name: string }).name]).toEqual([200, "after"]);
  });

  it("keeps nothing of what it refused", async () => {
    const fresh = await newVeriAccount();
    await fresh.client.upload("/v1/datasets", { fields: { name: "bad" }, file: "{" });
    const list = await fresh.client.get<{ data: Id[] }>("/v1/datasets");
    expect(list.body.data.map((dataset) => dataset.id)).toEqual([fresh.datasetId]);
  });
});

describe("POST /v1/reward_functions refuses", () => {
  const upload = (fields: Record<string, string>, file?: string | Uint8Array) =>
    client.upload<VeriError>("/v1/reward_functions", { fields: { name: "r", ...fields }, file });

  it("files without the right function, by format", async () => {
    expectRefusal(await upload({}, "def score(x): pass"), 400, "file");
    expectRefusal(await upload({ format: "miles" }, REWARD), 400, "file");
    expect((await upload({ format: "miles" }, `async ${REWARD}`)).status).toBe(200);
    expectRefusal(await upload({ format: "verl" }, REWARD), 400, "format");
  });

  it("what is too large, empty or not text", async () => {
    expectRefusal(await upload({}, REWARD + "#".repeat(1024 * 1024)), 413, "file");
    expectRefusal(await upload({}, ""), 400, "file");
    expectRefusal(await upload({}, Uint8Array.from([...new TextEncoder().encode(REWARD), 0xff])), 400, "file");
    expectRefusal(await upload({}), 400, "file");
  });
});

describe("a job that is not there", () => {
  it.each(["", "/events", "/metrics", "/logs", "/model"])("is 404 at GET /v1/training_jobs/{id}%s", async (path) => {
    const other = await newVeriAccount();
    const foreign = await newVeriJob(other);
    for (const id of [foreign, "job_1", foreign.slice(4), "job_00000000000000000000000000"]) {
      const answer = await client.get<VeriError>(`/v1/training_jobs/${id}${path}`);
      expectRefusal(answer, 404, null);
      expect(answer.body.error).toMatchObject({ type: "not_found_error", code: "not_found" });
    }
  });
});
