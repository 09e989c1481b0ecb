/** The Training Module's shapes: every answer is the status dictionary, some with more in it. */
import { z } from "@hono/zod-openapi";
import { IMPORT_STATES, MODULE_STATES, MODULE_TASK_TYPES } from "../../domain/module-sessions";

const taskType = z.enum(MODULE_TASK_TYPES);

export const config = z
  .object({
    model: z.string(),
    task_type: taskType,
    batch_size: z.int(),
    epochs: z.int(),
    eval_metrics: z.array(z.string()),
    epochs_per_test_run: z.int(),
    learning_rate: z.number(),
    seed: z.int(),
    init_eval: z.boolean(),
    cache_dir: z.string().nullable(),
    overwrite_cache: z.boolean(),
  })
  .openapi("TrainingConfig");

const status = {
  status: z.enum(MODULE_STATES),
  message: z.string(),
  import_status: z.enum(IMPORT_STATES),
};

export const moduleStatus = z.object(status).openapi("Status");
export const startedSession = z.object({ ...status, key: z.string() }).openapi("StartedSession");
export const parameters = z.object({ ...status, key: z.string(), config }).openapi("Parameters");

const info = z.object({
  step: z.int(),
  total_steps: z.int(),
  epoch: z.number(),
  metrics: z.record(z.string(), z.number()),
});
export const monitored = z.object({ ...status, info: info.nullable() }).openapi("Monitored");
export const readiness = z.object({ ...status, ready: z.boolean() }).openapi("Readiness");

export const results = z
  .object({
    initial: z.record(z.string(), z.number()).optional(),
    tests: z.array(z.object({ epoch: z.number(), metrics: z.record(z.string(), z.number()) })),
  })
  .openapi("Results");

export const importedModel = z
  .object({
    ...status,
    path: z.string(),
    url: z.string(),
    size_bytes: z.int(),
    sha256: z.string(),
    expires_at: z.string(),
  })
  .openapi("ImportedModel");

/** Kept in the task's name, with what the cache's content follows from behind it. */
const MAX_CACHE_DIR_CHARS = 150;
const MAX_EVAL_METRICS = 30;

/** Null: back to the default. */
export const configChanges = z
  .strictObject({
    model: z.string().min(1).max(4096).nullish(),
    task_type: taskType.nullish(),
    batch_size: z.int().min(1).nullish(),
    epochs: z.int().min(1).nullish(),
    eval_metrics: z.array(z.string().min(1).max(100)).min(1).max(MAX_EVAL_METRICS).nullish(),
    epochs_per_test_run: z.int().min(1).max(10_000).nullish(),
    learning_rate: z.number().nullish(),
    seed: z.int().min(0).nullish(),
    init_eval: z.boolean().nullish(),
    cache_dir: z
      .string()
      .trim()
      .min(1)
      .max(MAX_CACHE_DIR_CHARS)
      .nullish()
      .openapi({ description: "A name, not a path: what was preprocessed is found again under it." }),
    overwrite_cache: z.boolean().nullish(),
  })
  .openapi("TrainingConfigParams");

export const keyParam = z.object({ key: z.string().openapi({ description: "Of start_session." }) });

/** FastAPI's clients send numbers, and some `true`. */
const flag = z
  .string()
  .regex(/^(-?\d{1,15}|true|false)$/i, "Input should be a valid integer, unable to parse string as an integer")
  .transform((text) => !/^(-?0+|false)$/i.test(text))
  .default(false)
  .openapi({ type: "integer", default: 0 });

export const forceQuery = z.object({ force_restart: flag });
export const importedQuery = z.object({ on_disk: flag, tokenizer: flag });
export const importQuery = z.object({
  // Zod does not tell a missing one from a wrong one.
  model_type: z
    .string()
    .pipe(taskType)
    .openapi({
      type: "string",
      enum: [...MODULE_TASK_TYPES],
      description: "What the model will be trained for: a task_type.",
    }),
  model_name: z.string().min(1).max(4096).openapi({ description: "A name of the catalogue, or a Hugging Face id." }),
});

/** In place of the form, for what one request cannot carry. */
export const uploadedFiles = z
  .strictObject({ train_upload_id: z.string(), test_upload_id: z.string() })
  .openapi("UploadedFiles");

const file = z.string().openapi({ format: "binary" });
export const uploadForm = z.object({ train_file: file, test_file: file });
