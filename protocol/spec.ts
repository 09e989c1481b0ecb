/**
 * What a job asks for, normalised: the same object in the worker's records, in an agent's lease
 * and (with local paths in place of ids) in the trainer's config. Every default is filled in.
 */
import { z } from "zod";

/** Methods that this release trains. */
export const METHODS = ["sft_text", "grpo"] as const;
export const method = z.enum(METHODS);
export type Method = z.infer<typeof method>;

/** How rows of a dataset are laid out, decided from its first row when it is uploaded. */
export const DATASET_FORMATS = [
  "messages",
  "prompt_completion",
  "prompt",
  "text",
  "text_label",
  "text_score",
  "text_pair_score",
] as const;
export const datasetFormat = z.enum(DATASET_FORMATS);
export type DatasetFormat = z.infer<typeof datasetFormat>;

/** The two documented kinds of reward function: `trl` scores a batch, `miles` one sample a call. */
export const functionFormat = z.enum(["trl", "miles"]);
export type FunctionFormat = z.infer<typeof functionFormat>;

/** `base_model`, parsed once. `ordinal` counts a job's epoch checkpoints from 1; absent means the final one. */
export const baseModelRef = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("builtin"), name: z.string() }),
  z.object({ kind: z.literal("hub"), id: z.string() }),
  z.object({ kind: z.literal("path"), path: z.string() }),
  z.object({ kind: z.literal("job"), job_id: z.string(), ordinal: z.int().min(1).optional() }),
]);
export type BaseModelRef = z.infer<typeof baseModelRef>;

const lora = {
  lora_rank: z.int().min(1).max(1024).optional(),
  lora_alpha: z.number().positive().max(4096).optional(),
  lora_dropout: z.number().min(0).lt(1).optional(),
};

const common = {
  learning_rate: z.number().positive().max(10),
  num_epochs: z.number().positive().max(10_000),
  /** null means by epochs. */
  max_steps: z.int().min(1).max(100_000_000).nullable(),
  seed: z.int().min(0).max(4_294_967_295),
};

/** `global_batch_size` counts completions per optimizer step, as TRL does. */
export const grpoHyperparameters = z.object({
  ...common,
  rollouts_per_prompt: z.int().min(2).max(1024),
  kl_coef: z.number().min(0).max(100),
  max_prompt_length: z.int().min(1).max(1_048_576),
  max_response_length: z.int().min(1).max(1_048_576),
  global_batch_size: z.int().min(2).max(1_048_576),
  system_prompt: z.string().max(100_000).optional(),
  ...lora,
});
export type GrpoHyperparameters = z.infer<typeof grpoHyperparameters>;

export const sftTextHyperparameters = z.object({
  ...common,
  batch_size: z.int().min(1).max(65_536),
  global_batch_size: z.int().min(1).max(1_048_576),
  max_seq_length: z.int().min(1).max(1_048_576),
  system_prompt: z.string().max(100_000).optional(),
  ...lora,
});
export type SftTextHyperparameters = z.infer<typeof sftTextHyperparameters>;

export const hyperparametersByMethod = {
  grpo: grpoHyperparameters,
  sft_text: sftTextHyperparameters,
} as const;

const everySteps = z.int().min(1).max(100_000_000);

/**
 * Evaluation while training: on a dataset of its own, or on a share of the training rows that is drawn with the job's
 * seed and held back. At every so many steps, or at each epoch's end when that is absent; always at the last step.
 */
export const evaluation = z.union([
  z.strictObject({ dataset_id: z.string(), every_steps: everySteps.optional() }),
  z.strictObject({ split_percent: z.int().min(1).max(50), every_steps: everySteps.optional() }),
]);
export type Evaluation = z.infer<typeof evaluation>;

/** How many comparisons without an improvement of more than `min_delta` end the job. */
const plateau = { patience: z.int().min(1).max(100_000), min_delta: z.number().min(0).max(1_000_000) };
/** `eval_loss` is compared at each evaluation; `reward`, as a mean, once in `window` steps. The best weights are kept. */
export const earlyStop = z.discriminatedUnion("metric", [
  z.strictObject({ metric: z.literal("eval_loss"), ...plateau }),
  z.strictObject({ metric: z.literal("reward"), ...plateau, window: z.int().min(1).max(100_000) }),
]);
export type EarlyStop = z.infer<typeof earlyStop>;

export const gpuRequest = z.object({ type: z.string(), count: z.int().min(1) });
export type GpuRequest = z.infer<typeof gpuRequest>;

/** So long without a step, and a trainer hangs, where the spec says nothing. */
export const HANG_TIMEOUT_SECONDS: Readonly<Record<Method, number>> = { sft_text: 600, grpo: 1800 };

const specCommon = {
  version: z.literal(1),
  base_model: baseModelRef,
  dataset_id: z.string(),
  output_name: z.string(),
  gpu: gpuRequest,
  /** null: the cheapest that fits, an idle agent of the account being free. */
  provider: z.string().nullable(),
  max_cost_usd: z.number().positive().optional(),
  max_duration_seconds: z.number().positive().optional(),
  /** Without a step for so long the attempt is lost with reason `hang`; absent means the method's default. */
  hang_timeout_seconds: z.int().min(10).max(86_400).optional(),
  /** For `sft_text`. */
  eval: evaluation.optional(),
  early_stop: earlyStop.optional(),
};

export const jobSpec = z.discriminatedUnion("method", [
  z.object({
    method: z.literal("grpo"),
    ...specCommon,
    hyperparameters: grpoHyperparameters,
    functions: z.array(z.object({ id: z.string(), weight: z.number() })).min(1),
  }),
  z.object({
    method: z.literal("sft_text"),
    ...specCommon,
    hyperparameters: sftTextHyperparameters,
    functions: z.array(z.never()).max(0),
  }),
]);
export type JobSpec = z.infer<typeof jobSpec>;
