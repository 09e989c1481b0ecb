/**
 * Agent ⇄ trainer (DESIGN §4). The agent writes one config file and spawns
 * `python -m anneal_trainer <config.json>` in its own process group with three extra things:
 *   ANNEAL_REPORT_FD  the trainer writes one JSON object a line there (the types below);
 *   ANNEAL_LIFE_FD    the read end of a pipe that the agent holds: at end-of-file the trainer ends within 5 s;
 *   SIGTERM           save a resume checkpoint at the next step boundary, say `stopped`, exit 0.
 * With `--warm <warmHost as JSON>` in place of the config it does its imports first, writes `ready` and a newline to
 * ANNEAL_ORDER_FD, and reads one line there, warmOrder as JSON: from then on it is the trainer of that config.
 *   SIGUSR1           write the stacks of all threads to stderr, and go on.
 * stdout and stderr are the user's logs. Exit 0 without a `finished` or `stopped` line is `no_checkpoint`.
 */
import { z } from "zod";
import {
  baseModelRef,
  classificationHyperparameters,
  datasetFormat,
  earlyStop,
  embeddingHyperparameters,
  functionFormat,
  grpoHyperparameters,
  rebalance,
  regressionHyperparameters,
  sftTextHyperparameters,
  trainerTaskKind,
} from "./spec";
import { checkpointKind } from "./checkpoint";
import { trainerFailureReason } from "./reasons";

/** `job_…` references never reach the trainer: the agent has put their files at a path. */
const localBaseModel = z.discriminatedUnion("kind", [
  baseModelRef.options[0],
  baseModelRef.options[1],
  baseModelRef.options[2],
]);

const localDataset = z.object({ path: z.string(), format: datasetFormat });

const localFunction = z.object({ id: z.string(), name: z.string(), path: z.string(), format: functionFormat });

const configCommon = {
  version: z.literal(1),
  job_id: z.string(),
  attempt: z.int().min(1),
  /** `preprocess` tokenises what `train` would, and `import` only brings the base model. */
  task: trainerTaskKind,
  base_model: localBaseModel,
  /** null for `import`. */
  dataset: localDataset.nullable(),
  /** The unpacked `cache` of a preprocess task of the same data, base and lengths; null or absent: tokenise here. */
  preprocessed: z.string().nullable().optional(),
  /** Absent: the job is not evaluated. Exactly one of `dataset` and `split_percent` is not null. */
  eval: z
    .object({
      dataset: localDataset.nullable(),
      split_percent: z.int().min(1).max(50).nullable(),
      every_steps: z.int().min(1).nullable(),
      every_epochs: z.int().min(1).optional(),
      metrics: z.array(z.string()).optional(),
      at_start: z.boolean().optional(),
    })
    .optional(),
  early_stop: earlyStop.optional(),
  downsample_percent: z.number().gt(0).max(100).optional(),
  rebalance: rebalance.optional(),
  /**
   * Absent: the checkpoints are not tested. Exactly one of `dataset` and `split_percent` is not null. `checkpoints` are
   * models of earlier attempts that are still to be tested, unpacked, in the order of their steps; with `is_trained`
   * the last of them is the final one, and there is nothing left to train.
   */
  test: z
    .object({
      dataset: localDataset.nullable(),
      split_percent: z.number().gt(0).lt(100).nullable(),
      functions: z.array(localFunction).max(20),
      checkpoints: z.array(z.object({ step: z.int().min(0), epoch: z.number(), dir: z.string() })),
      is_trained: z.boolean(),
    })
    .optional(),
  /** Everything the trainer writes is below this folder. */
  output_dir: z.string(),
  /** An unpacked resume checkpoint, or null for a fresh start. */
  resume_from: z.string().nullable(),
  /** Indices of the GPUs of this slot; empty means CPU. */
  gpus: z.array(z.int().min(0)),
  /** torch intra-op threads; null leaves torch's own choice. */
  torch_threads: z.int().min(1).nullable(),
  /** Seconds of training between resume checkpoints. */
  resume_interval_seconds: z.number().positive(),
  /** Bounds on user code (reward functions), per call of a batch. */
  user_code: z.object({
    timeout_seconds: z.number().positive(),
    memory_bytes: z.int().positive(),
    output_bytes: z.int().positive(),
  }),
};

export const trainerConfig = z.discriminatedUnion("method", [
  z.object({
    ...configCommon,
    method: z.literal("grpo"),
    hyperparameters: grpoHyperparameters,
    functions: z.array(localFunction.extend({ weight: z.number() })).min(1),
  }),
  z.object({
    ...configCommon,
    method: z.literal("sft_text"),
    hyperparameters: sftTextHyperparameters,
  }),
  z.object({
    ...configCommon,
    method: z.literal("classification"),
    hyperparameters: classificationHyperparameters,
  }),
  z.object({
    ...configCommon,
    method: z.literal("regression"),
    hyperparameters: regressionHyperparameters,
  }),
  z.object({
    ...configCommon,
    method: z.literal("embedding"),
    hyperparameters: embeddingHyperparameters,
  }),
]);
export type TrainerConfig = z.infer<typeof trainerConfig>;

/** What a trainer must know of its machine before its imports; a task's config says the same. */
export const warmHost = z.object({ gpus: z.array(z.int().min(0)), torch_threads: z.int().min(1).nullable() });
export type WarmHost = z.infer<typeof warmHost>;

/** The config's path, the folder to work in, and what of the environment is the task's. */
export const warmOrder = z.object({ config: z.string(), cwd: z.string(), env: z.record(z.string(), z.string()) });
export type WarmOrder = z.infer<typeof warmOrder>;

export const metricKind = z.enum(["train", "eval", "test", "system"]);
export type MetricKind = z.infer<typeof metricKind>;
/** A metric's name: what the libraries call it, such as `loss` or `rewards/reward/mean`. */
export const metricValues = z.record(z.string().min(1).max(200), z.number());

/**
 * Events that only the trainer knows of. `sample_masked`: a reward function gave no score. `resume_conditions_changed`:
 * the job goes on under another torch, thread count, world size or device than its checkpoint was saved under, so that
 * its end may differ in the last bits; metadata `{step, differences: [{name, saved, now}]}`.
 */
export const trainerEventType = z.enum(["sample_masked", "resume_conditions_changed"]);

const step = z.int().min(0);

export const trainerLine = z.discriminatedUnion("type", [
  /** The model is loaded and the first step is about to run. */
  z.object({
    type: z.literal("started"),
    total_steps: step,
    resumed_from_step: step,
    world_size: z.int().min(1),
    device: z.string(),
    versions: z.record(z.string(), z.string()),
  }),
  /** The steps of a preprocess task are rows; an import has one, which is done when all is there. */
  z.object({ type: z.literal("progress"), step, total_steps: step, epoch: z.number() }),
  /** Finite numbers only: the trainer leaves out what is NaN or infinite. */
  z.object({ type: z.literal("metrics"), step, kind: metricKind, values: metricValues }),
  /**
   * Files are complete on disk. `resume` has the trainer's own files in `dir`. `epoch` and `final` have weights and
   * tokenizer in `dir`, loadable by from_pretrained, and `adapter_dir` when the job trained an adapter.
   * `test` is what the test of an `epoch` or `final` checkpoint of that step has shown: `results.jsonl` in `dir`, one row
   * of the test set a line with `input`, `expected_output`, `output` and each function's score (null: it gave none), and
   * in `results` each function's mean over the rows that it scored, left out when there are none.
   * The `final` of a preprocess task has the tokenised data in `dir`; that of an import has `tokenizer_dir` besides, the
   * tokenizer alone. Both are of step 0.
   * The agent owns these folders from here on and deletes them when they are uploaded.
   */
  z.object({
    type: z.literal("checkpoint"),
    kind: checkpointKind,
    step,
    epoch: z.number(),
    dir: z.string(),
    adapter_dir: z.string().optional(),
    tokenizer_dir: z.string().optional(),
    results: z.record(z.string(), z.number()).optional(),
    world_size: z.int().min(1),
    torch_threads: z.int().min(1),
    versions: z.record(z.string(), z.string()),
  }),
  /** Training is over and its final checkpoint is written; `done` of `total` checkpoints are tested. */
  z.object({ type: z.literal("testing"), done: z.int().min(0), total: z.int().min(1) }),
  /** Goes into the job's stream as an event. */
  z.object({
    type: z.literal("event"),
    event_type: trainerEventType,
    metadata: z.record(z.string(), z.unknown()),
  }),
  /** A sentence for the people who watch the job. */
  z.object({ type: z.literal("notice"), message: z.string().max(4000) }),
  /** A few completions of a batch, for people. */
  z.object({
    type: z.literal("samples"),
    step,
    rows: z.array(z.object({ prompt: z.string(), completion: z.string(), reward: z.number().nullable() })).max(16),
  }),
  z.object({ type: z.literal("stopped"), step }),
  /** `best_step`: the final checkpoint has the weights of that step, the best by the job's `early_stop`. */
  z.object({
    type: z.literal("finished"),
    step,
    early_stopped: z.boolean().optional(),
    best_step: step.optional(),
  }),
  z.object({ type: z.literal("failed"), reason: trainerFailureReason, message: z.string().max(4000) }),
]);
export type TrainerLine = z.infer<typeof trainerLine>;
