/**
 * What a job asks for, normalised: the same object in the worker's records, in an agent's lease
 * and (with local paths in place of ids) in the trainer's config. Every default is filled in.
 */
import { z } from "zod";

/** Methods that this release trains. */
export const METHODS = ["sft_text", "grpo", "classification", "regression", "embedding"] as const;
export const method = z.enum(METHODS);
export type Method = z.infer<typeof method>;

/**
 * What a task is. All of them are leased, reported, cancelled and finished in one way. Those of the trainer end with a
 * checkpoint of kind `final`: `train` with a model, `preprocess` with the tokenised data (role `cache`), `import` with a
 * model and its tokenizer. `serve` serves an engine's models until it is cancelled. Their specs have one shape:
 * `preprocess` names what will be trained, `import` and `serve` have an empty `dataset_id`, and `serve` has its engine.
 */
export const TRAINER_TASK_KINDS = ["train", "preprocess", "import"] as const;
export const trainerTaskKind = z.enum(TRAINER_TASK_KINDS);
export type TrainerTaskKind = z.infer<typeof trainerTaskKind>;
export const TASK_KINDS = [...TRAINER_TASK_KINDS, "serve"] as const;
export const taskKind = z.enum(TASK_KINDS);
export type TaskKind = z.infer<typeof taskKind>;

/** What an engine's deployments do. */
export const SERVE_TASKS = ["text-generation", "classification", "regression", "embedding"] as const;
export const serveTask = z.enum(SERVE_TASKS);
export type ServeTask = z.infer<typeof serveTask>;

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

/**
 * The documented kinds of user code: `trl` scores a batch, `miles` one sample a call, and `test` is a testing function,
 * `name(input_text, expected_output, predicted_output) -> float`, one sample a call, which may be a reward function too.
 */
export const functionFormat = z.enum(["trl", "miles", "test"]);
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

export const LR_SCHEDULERS = [
  "linear",
  "cosine",
  "cosine_with_restarts",
  "polynomial",
  "constant",
  "constant_with_warmup",
  "inverse_sqrt",
] as const;
/** The 8-bit ones are plain AdamW, with a notice, where the host cannot run them. */
export const OPTIMIZERS = ["adamw", "adamw_8bit", "paged_adamw_8bit"] as const;

/** Named as the field's libraries name them; absent means the library's own default. */
const optimisation = {
  lr_scheduler: z.enum(LR_SCHEDULERS).optional(),
  warmup_ratio: z.number().min(0).max(1).optional(),
  /** Wins over `warmup_ratio`. */
  warmup_steps: z.int().min(0).max(100_000_000).optional(),
  weight_decay: z.number().min(0).max(10).optional(),
  /** 0: no clipping. */
  max_grad_norm: z.number().min(0).max(1_000_000).optional(),
  adam_beta1: z.number().min(0).lt(1).optional(),
  adam_beta2: z.number().min(0).lt(1).optional(),
  optimizer: z.enum(OPTIMIZERS).optional(),
  /** Rows of one pass of an evaluation or a test; absent: as in training. */
  eval_batch_size: z.int().min(1).max(65_536).optional(),
  /** Passes whose outputs an evaluation keeps on the device before it moves them away. */
  eval_accumulation_steps: z.int().min(1).max(1_000_000).optional(),
  /** A checkpoint of kind `epoch` every so many steps, in place of one at each epoch's end. */
  save_steps: z.int().min(1).max(100_000_000).optional(),
  /** Every step is logged; dialects that know the word show each so-manieth. */
  logging_steps: z.int().min(1).max(100_000_000).optional(),
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
  ...optimisation,
});
export type GrpoHyperparameters = z.infer<typeof grpoHyperparameters>;

const batches = {
  batch_size: z.int().min(1).max(65_536),
  global_batch_size: z.int().min(1).max(1_048_576),
  max_seq_length: z.int().min(1).max(1_048_576),
};

/** `sft_text`: token loss × detached token probability. `classification`: focal loss, γ = 2. */
const dynamicLoss = { dynamic_loss: z.boolean().optional() };

export const sftTextHyperparameters = z.object({
  ...common,
  ...batches,
  system_prompt: z.string().max(100_000).optional(),
  ...lora,
  ...optimisation,
  ...dynamicLoss,
});
export type SftTextHyperparameters = z.infer<typeof sftTextHyperparameters>;

/** `max_seq_length`: longer texts are cut. LoRA is for bases that are language models. */
export const classificationHyperparameters = z.object({
  ...common,
  ...batches,
  ...lora,
  ...optimisation,
  ...dynamicLoss,
});
export type ClassificationHyperparameters = z.infer<typeof classificationHyperparameters>;

export const regressionHyperparameters = z.object({ ...common, ...batches, ...lora, ...optimisation });
export type RegressionHyperparameters = z.infer<typeof regressionHyperparameters>;

export const embeddingHyperparameters = z.object({ ...common, ...batches, ...lora, ...optimisation });
export type EmbeddingHyperparameters = z.infer<typeof embeddingHyperparameters>;

export const hyperparametersByMethod = {
  grpo: grpoHyperparameters,
  sft_text: sftTextHyperparameters,
  classification: classificationHyperparameters,
  regression: regressionHyperparameters,
  embedding: embeddingHyperparameters,
} as const;

const everySteps = z.int().min(1).max(100_000_000);

/** What an evaluation can tell beside its loss, by method; scikit-learn, TRL and sentence-transformers compute them. */
export const EVAL_METRICS = {
  sft_text: ["loss", "perplexity", "token_accuracy"],
  grpo: [],
  classification: [
    ...["loss", "accuracy", "precision", "recall", "f1"],
    ...["precision_micro", "recall_micro", "f1_micro", "precision_weighted", "recall_weighted", "f1_weighted"],
    ...["matthews_correlation", "roc_auc"],
  ],
  regression: ["loss", "mse", "rmse", "mae", "r2", "pearson", "spearman"],
  embedding: ["loss", "pearson", "spearman", "mse"],
} as const satisfies Readonly<Record<Method, readonly string[]>>;

const evaluationTimes = {
  every_steps: everySteps.optional(),
  /** In place of `every_steps`: at the end of each so-manieth epoch. */
  every_epochs: z.int().min(1).max(10_000).optional(),
  /** Of EVAL_METRICS; absent: the loss alone. Their values are metrics of kind `eval` by these very names. */
  metrics: z.array(z.string().min(1).max(100)).min(1).max(30).optional(),
  /** Once before the first step, told as step 0. */
  at_start: z.boolean().optional(),
};

/**
 * Evaluation while training: on a dataset of its own, or on a share of the training rows that is drawn with the job's
 * seed and held back. At every so many steps, or at each epoch's end when that is absent; always at the last step.
 * One with `metrics` also tells `epoch` among its values.
 */
export const evaluation = z.union([
  z.strictObject({ dataset_id: z.string(), ...evaluationTimes }),
  z.strictObject({ split_percent: z.int().min(1).max(50), ...evaluationTimes }),
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

/** A function of the account by its id, or `shared:<name>`, one that comes with Anneal. */
export const functionId = z.string().min(1).max(250);
export const SHARED_FUNCTION_PREFIX = "shared:";

/**
 * Tests of every epoch checkpoint when the training is over: its predictions for rows that were not trained on, and what
 * the functions say of them. The rows are a dataset of their own, or a share of the training rows, drawn with the seed.
 */
const testFunctions = z.array(z.object({ id: functionId })).max(20);
export const test = z.union([
  z.strictObject({ dataset_id: z.string(), functions: testFunctions }),
  z.strictObject({ split_percent: z.number().gt(0).lt(100), functions: testFunctions }),
]);
export type Test = z.infer<typeof test>;

/**
 * How many rows of each label classification trains on: exact counts (a label that is left out keeps its rows), or shares
 * of the present total (the worker asks for one of every label; one that is left out has none). Drawn with the seed, without replacement while there are
 * enough. The labels of binary data are `positive` and `negative`.
 */
export const rebalance = z.strictObject({
  by: z.enum(["ratio", "count"]),
  labels: z.record(z.string().min(1).max(1000), z.number().min(0).max(1_000_000_000)),
});
export type Rebalance = z.infer<typeof rebalance>;

/** Where a base model that is another job's came from: `root` is the base of the first of them. */
export const lineage = z.object({ root: z.string(), job_name: z.string(), ordinal: z.int().min(1) });
export type Lineage = z.infer<typeof lineage>;

export const gpuRequest = z.object({ type: z.string(), count: z.int().min(1) });
export type GpuRequest = z.infer<typeof gpuRequest>;

/** So long without a step, and a trainer hangs, where the spec says nothing. */
export const HANG_TIMEOUT_SECONDS: Readonly<Record<Method, number>> = {
  sft_text: 600,
  grpo: 1800,
  classification: 600,
  regression: 600,
  embedding: 600,
};

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
  /** Not for `grpo`. */
  eval: evaluation.optional(),
  /** The task of kind `preprocess` whose tokenised data this one trains on; it was made of the same spec. */
  preprocessed_by: z.string().optional(),
  early_stop: earlyStop.optional(),
  description: z.string().max(10_000).optional(),
  /** Of the rows to train on, drawn with the seed after those to test on are taken out. */
  downsample_percent: z.number().gt(0).max(100).optional(),
  /** For `classification`; after `downsample_percent`. */
  rebalance: rebalance.optional(),
  test: test.optional(),
  lineage: lineage.optional(),
  /** Of a task of kind `serve`. `memory_bytes`: what its models are thought to need, of the GPUs or of a machine without. */
  serve: z.object({ engine_id: z.string(), task: serveTask, memory_bytes: z.int().min(0) }).optional(),
};

const noFunctions = { functions: z.array(z.never()).max(0) };

export const jobSpec = z.discriminatedUnion("method", [
  z.object({
    method: z.literal("grpo"),
    ...specCommon,
    hyperparameters: grpoHyperparameters,
    functions: z.array(z.object({ id: functionId, weight: z.number() })).min(1),
  }),
  z.object({
    method: z.literal("sft_text"),
    ...specCommon,
    hyperparameters: sftTextHyperparameters,
    ...noFunctions,
  }),
  z.object({
    method: z.literal("classification"),
    ...specCommon,
    hyperparameters: classificationHyperparameters,
    ...noFunctions,
  }),
  z.object({
    method: z.literal("regression"),
    ...specCommon,
    hyperparameters: regressionHyperparameters,
    ...noFunctions,
  }),
  z.object({
    method: z.literal("embedding"),
    ...specCommon,
    hyperparameters: embeddingHyperparameters,
    ...noFunctions,
  }),
]);
export type JobSpec = z.infer<typeof jobSpec>;
