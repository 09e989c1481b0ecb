/** Veri's shapes on the wire, as its contract's examples have them: same names, same order, nulls explicit. */
import { z } from "@hono/zod-openapi";
import { functionFormat } from "../../../protocol";

export const PREFIX = { job: "job_", deployment: "dep_" } as const;

export const VERI_STATUSES = ["queued", "provisioning", "running", "completed", "failed", "cancelled"] as const;
export type VeriStatus = (typeof VERI_STATUSES)[number];

/** Methods that jobs here may have. Those of the middle are made through other APIs; the last has a release to come. */
export const VERI_METHODS = [
  "sft_text",
  "grpo",
  "sft_classification",
  "sft_regression",
  "sft_embedding",
  "sft_video_gen",
] as const;
export type VeriMethod = (typeof VERI_METHODS)[number];

export const timestamp = z.string().openapi({ example: "2026-04-14T12:10:00Z" });

export const idParams = z.object({ id: z.string() });

export function listOf<T extends z.ZodType>(item: T) {
  return z.object({ object: z.literal("list"), data: z.array(item), has_more: z.boolean() });
}

export const dataset = z
  .object({
    id: z.string(),
    object: z.literal("dataset"),
    name: z.string(),
    source_type: z.literal("upload"),
    source_uri: z.null(),
    huggingface_dataset: z.null(),
    num_rows: z.int(),
    created_at: timestamp,
  })
  .openapi("Dataset");
export const datasetFromUpload = z.strictObject({ upload_id: z.string(), name: z.string().optional() });
export const datasetList = listOf(dataset);

export const rewardFunction = z
  .object({
    id: z.string(),
    object: z.literal("reward_function"),
    name: z.string(),
    format: functionFormat,
    created_at: timestamp,
  })
  .openapi("RewardFunction");
export const rewardFunctionList = listOf(rewardFunction);

export const apiKey = z
  .object({
    id: z.string(),
    object: z.literal("api_key"),
    name: z.string(),
    key_prefix: z.string(),
    created_at: timestamp,
    last_used_at: timestamp.nullable(),
  })
  .openapi("ApiKey");
export const apiKeyList = listOf(apiKey);
export const newApiKey = z
  .object({
    id: z.string(),
    object: z.literal("api_key"),
    name: z.string(),
    key_prefix: z.string(),
    key: z.string().openapi({ description: "Shown this once." }),
    created_at: timestamp,
    last_used_at: z.null(),
  })
  .openapi("NewApiKey");
export const deletedApiKey = z.object({ id: z.string(), object: z.literal("api_key"), deleted: z.literal(true) });

const gpu = z.object({ type: z.string(), count: z.int() });
const status = z.enum(VERI_STATUSES);
const jobError = z.object({ code: z.string(), message: z.string() });

export const trainingJob = z
  .object({
    id: z.string(),
    object: z.literal("training_job"),
    status,
    base_model: z.string(),
    dataset_id: z.string(),
    reward_function_id: z.string().nullable(),
    method: z.string(),
    output_name: z.string(),
    hyperparameters: z.record(z.string(), z.unknown()),
    dashboard_url: z.null(),
    download_url: z.string().nullable(),
    error: jobError.nullable(),
    gpu: gpu.nullable(),
    gpu_requested: gpu,
    provider: z.string().nullable(),
    duration_seconds: z.number().nullable(),
    cost_usd: z.number().nullable(),
    started_at: timestamp.nullable(),
    completed_at: timestamp.nullable(),
    created_at: timestamp,
  })
  .openapi("TrainingJob");

export const trainingJobSummary = z
  .object({
    id: z.string(),
    object: z.literal("training_job"),
    status,
    base_model: z.string(),
    method: z.string(),
    output_name: z.string(),
    provider: z.string().nullable(),
    dashboard_url: z.null(),
    created_at: timestamp,
    started_at: timestamp.nullable(),
  })
  .openapi("TrainingJobSummary");
export const trainingJobList = listOf(trainingJobSummary);

export const trainingJobStatus = z
  .object({ id: z.string(), object: z.literal("training_job"), status })
  .openapi("TrainingJobStatus");

export const eventList = z.object({
  items: z.array(
    z.object({ event_type: z.string(), timestamp, metadata: z.record(z.string(), z.unknown()) }).openapi("JobEvent"),
  ),
});

export const metrics = z.object({
  metrics: z.array(z.object({ step: z.int(), values: z.record(z.string(), z.number()) })),
  available_keys: z.array(z.string()),
  latest_step: z.int().nullable(),
});

export const model = z.object({
  download_url: z.string(),
  files: z.array(z.object({ path: z.string(), url: z.string() })),
});
