/**
 * A method's hyperparameters as a client sends them, made whole: every default filled in, every value in its range, and
 * every refusal by name. The keys come out in the order of the contract's example, then the optional ones that were sent.
 */
import { hyperparametersByMethod, type GrpoHyperparameters, type Method } from "../../protocol";
import type { z } from "zod";
import { choiceOf, flagOf, numberOf, refused, systemPromptOf, type NumberKey } from "./hyperparameter-values";

export type HyperparametersOf<M extends Method> = z.infer<(typeof hyperparametersByMethod)[M]>;

/** Keys of other clients' trainers that ours does not carry: switched off they mean nothing, switched on they are refused. */
const NOT_CARRIED = [
  "load_in_4bit",
  "use_unsloth",
  "use_vllm",
  "use_liger",
  "reward_weights",
  "beta",
  "loss_type",
  "max_length",
];

/** Every method's. */
const OPTIONAL_NUMBERS = [
  "lora_rank",
  "lora_alpha",
  "lora_dropout",
  "warmup_ratio",
  "warmup_steps",
  "weight_decay",
  "max_grad_norm",
  "adam_beta1",
  "adam_beta2",
  "eval_batch_size",
  "eval_accumulation_steps",
  "save_steps",
  "logging_steps",
] as const satisfies NumberKey[];

/** A language model reads long texts once; the encoders of the other methods read short ones several times. */
const DEFAULTS = {
  sft_text: { learning_rate: 2e-5, num_epochs: 1, batch_size: 1, max_seq_length: 1024 },
  classification: { learning_rate: 2e-5, num_epochs: 3, batch_size: 16, max_seq_length: 256 },
  regression: { learning_rate: 2e-5, num_epochs: 3, batch_size: 16, max_seq_length: 256 },
  embedding: { learning_rate: 2e-5, num_epochs: 3, batch_size: 16, max_seq_length: 256 },
} as const;
type SupervisedMethod = keyof typeof DEFAULTS;

/**
 * Fills in the defaults of `method` and checks what was sent; null stands for absent. Errors name
 * `hyperparameters.<key>`. `gpuCount` is the number of processes, which the batch must divide among.
 */
export function normaliseHyperparameters<M extends Method>(
  method: M,
  raw: Record<string, unknown>,
  context: { gpuCount: number },
): { values: HyperparametersOf<M> } {
  refuseUnknown(method, raw);
  const values = isGrpo(method) ? grpo(raw, context.gpuCount) : supervised(method, raw, context.gpuCount);
  return { values: values as HyperparametersOf<M> };
}

function isGrpo(method: Method): method is "grpo" {
  return method === "grpo";
}

function grpo(raw: Record<string, unknown>, gpuCount: number): GrpoHyperparameters {
  const rollouts = numberOf(raw, "rollouts_per_prompt") ?? 8;
  const batch = numberOf(raw, "global_batch_size") ?? 8 * rollouts;
  requireMultiple(batch, rollouts, "rollouts_per_prompt");
  requireMultiple(batch, gpuCount, "the number of GPUs (one process each)");
  return {
    learning_rate: numberOf(raw, "learning_rate") ?? 1e-6,
    num_epochs: numberOf(raw, "num_epochs") ?? 1,
    max_steps: numberOf(raw, "max_steps") ?? null,
    rollouts_per_prompt: rollouts,
    kl_coef: numberOf(raw, "kl_coef") ?? 0.001,
    max_prompt_length: numberOf(raw, "max_prompt_length") ?? 1024,
    max_response_length: numberOf(raw, "max_response_length") ?? 2048,
    global_batch_size: batch,
    seed: numberOf(raw, "seed") ?? 42,
    ...optional(raw),
  };
}

function supervised(method: SupervisedMethod, raw: Record<string, unknown>, gpuCount: number) {
  const defaults = DEFAULTS[method];
  const batchSize = numberOf(raw, "batch_size") ?? defaults.batch_size;
  const batch = numberOf(raw, "global_batch_size") ?? batchSize * gpuCount;
  requireMultiple(batch, batchSize * gpuCount, "batch_size × the number of GPUs (one process each)");
  return {
    learning_rate: numberOf(raw, "learning_rate") ?? defaults.learning_rate,
    num_epochs: numberOf(raw, "num_epochs") ?? defaults.num_epochs,
    max_steps: numberOf(raw, "max_steps") ?? null,
    batch_size: batchSize,
    global_batch_size: batch,
    max_seq_length: numberOf(raw, "max_seq_length") ?? defaults.max_seq_length,
    seed: numberOf(raw, "seed") ?? 42,
    ...optional(raw),
  };
}

/** Only what was sent: absent keys stay absent, so that they are not echoed. What a method has not is refused before. */
function optional(raw: Record<string, unknown>) {
  const numbers = present(OPTIONAL_NUMBERS, (key) => numberOf(raw, key));
  for (const key of ["lora_alpha", "lora_dropout"] as const) {
    if (numbers.lora_rank === undefined && numbers[key] !== undefined) throw refused(key, "needs lora_rank");
  }
  const systemPrompt = systemPromptOf(raw);
  const scheduler = choiceOf(raw, "lr_scheduler");
  const optimizer = choiceOf(raw, "optimizer");
  const dynamicLoss = flagOf(raw, "dynamic_loss");
  return {
    ...(systemPrompt === undefined ? {} : { system_prompt: systemPrompt }),
    ...numbers,
    ...(scheduler === undefined ? {} : { lr_scheduler: scheduler }),
    ...(optimizer === undefined ? {} : { optimizer }),
    ...(dynamicLoss === undefined ? {} : { dynamic_loss: dynamicLoss }),
  };
}

function present<K extends string>(
  keys: readonly K[],
  read: (key: K) => number | undefined,
): Partial<Record<K, number>> {
  const found: Partial<Record<K, number>> = {};
  for (const key of keys) {
    const value = read(key);
    if (value !== undefined) found[key] = value;
  }
  return found;
}

function refuseUnknown(method: Method, raw: Record<string, unknown>): void {
  const known = Object.keys(hyperparametersByMethod[method].shape);
  for (const [key, value] of Object.entries(raw)) {
    if (known.includes(key)) continue;
    if (!NOT_CARRIED.includes(key)) {
      throw refused(key, `is not a hyperparameter of ${method}; known: ${known.join(", ")}`);
    }
    if (value !== null && value !== false) {
      throw refused(key, "is not supported here; leave it out or send false or null");
    }
  }
}

function requireMultiple(batch: number, of: number, what: string): void {
  if (batch % of === 0) return;
  throw refused("global_batch_size", `must be a multiple of ${what}: ${String(batch)} is no multiple of ${String(of)}`);
}
