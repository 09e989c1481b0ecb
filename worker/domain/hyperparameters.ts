/**
 * A method's hyperparameters as a client sends them, made whole: every default filled in, every value in its range, and
 * every refusal by name. The keys come out in the order of the contract's example, then the optional ones that were sent.
 */
import {
  hyperparametersByMethod,
  type GrpoHyperparameters,
  type Method,
  type SftTextHyperparameters,
} from "../../protocol";
import { invalid } from "./errors";

export type HyperparametersOf<M extends Method> = M extends "grpo" ? GrpoHyperparameters : SftTextHyperparameters;

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

interface Range {
  whole?: true;
  from?: number;
  above?: number;
  to?: number;
  below?: number;
}

/** The ranges of `protocol/spec.ts`, as sentences need them; a property test holds the two together. */
const RANGES = {
  learning_rate: { above: 0, to: 10 },
  num_epochs: { above: 0, to: 10_000 },
  max_steps: { whole: true, from: 1, to: 100_000_000 },
  seed: { whole: true, from: 0, to: 4_294_967_295 },
  rollouts_per_prompt: { whole: true, from: 2, to: 1024 },
  kl_coef: { from: 0, to: 100 },
  max_prompt_length: { whole: true, from: 1, to: 1_048_576 },
  max_response_length: { whole: true, from: 1, to: 1_048_576 },
  global_batch_size: { whole: true, from: 1, to: 1_048_576 },
  batch_size: { whole: true, from: 1, to: 65_536 },
  max_seq_length: { whole: true, from: 1, to: 1_048_576 },
  lora_rank: { whole: true, from: 1, to: 1024 },
  lora_alpha: { above: 0, to: 4096 },
  lora_dropout: { from: 0, below: 1 },
} as const satisfies Record<string, Range>;

type NumberKey = keyof typeof RANGES;

/** A system prompt is part of every prompt: longer than this is a mistake. */
const MAX_SYSTEM_PROMPT_CHARS = 100_000;

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
  const values = method === "grpo" ? grpo(raw, context.gpuCount) : sftText(raw, context.gpuCount);
  return { values: values as HyperparametersOf<M> };
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

function sftText(raw: Record<string, unknown>, gpuCount: number): SftTextHyperparameters {
  const batchSize = numberOf(raw, "batch_size") ?? 1;
  const batch = numberOf(raw, "global_batch_size") ?? batchSize * gpuCount;
  requireMultiple(batch, batchSize * gpuCount, "batch_size × the number of GPUs (one process each)");
  return {
    learning_rate: numberOf(raw, "learning_rate") ?? 2e-5,
    num_epochs: numberOf(raw, "num_epochs") ?? 1,
    max_steps: numberOf(raw, "max_steps") ?? null,
    batch_size: batchSize,
    global_batch_size: batch,
    max_seq_length: numberOf(raw, "max_seq_length") ?? 1024,
    seed: numberOf(raw, "seed") ?? 42,
    ...optional(raw),
  };
}

/** Only what was sent: absent keys stay absent, so that they are not echoed. */
function optional(
  raw: Record<string, unknown>,
): Pick<GrpoHyperparameters, "system_prompt" | "lora_rank" | "lora_alpha" | "lora_dropout"> {
  const systemPrompt = systemPromptOf(raw);
  const rank = numberOf(raw, "lora_rank");
  const alpha = numberOf(raw, "lora_alpha");
  const dropout = numberOf(raw, "lora_dropout");
  if (rank === undefined && alpha !== undefined) throw refused("lora_alpha", "needs lora_rank");
  if (rank === undefined && dropout !== undefined) throw refused("lora_dropout", "needs lora_rank");
  return {
    ...(systemPrompt === undefined ? {} : { system_prompt: systemPrompt }),
    ...(rank === undefined ? {} : { lora_rank: rank }),
    ...(alpha === undefined ? {} : { lora_alpha: alpha }),
    ...(dropout === undefined ? {} : { lora_dropout: dropout }),
  };
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

function numberOf(raw: Record<string, unknown>, key: NumberKey): number | undefined {
  const value = raw[key];
  if (value === undefined || value === null) return undefined;
  const range: Range = RANGES[key];
  if (typeof value !== "number" || !within(value, range)) {
    throw refused(key, `must be ${inWords(range)}, not ${shown(value)}`);
  }
  return value;
}

function within(value: number, range: Range): boolean {
  return (
    Number.isFinite(value) &&
    (range.whole === undefined || Number.isInteger(value)) &&
    (range.from === undefined || value >= range.from) &&
    (range.above === undefined || value > range.above) &&
    (range.to === undefined || value <= range.to) &&
    (range.below === undefined || value < range.below)
  );
}

/** Such as "a whole number from 1 to 1024". */
function inWords(range: Range): string {
  const kind = range.whole ? "a whole number" : "a number";
  const low = range.from === undefined ? `above ${String(range.above)}` : `from ${String(range.from)}`;
  const high = range.to === undefined ? `below ${String(range.below)}` : `to ${String(range.to)}`;
  return range.from === undefined && range.to !== undefined
    ? `${kind} ${low}, at most ${String(range.to)}`
    : `${kind} ${low} ${range.to === undefined ? `and ${high}` : high}`;
}

function shown(value: unknown): string {
  const text = typeof value === "number" ? String(value) : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function systemPromptOf(raw: Record<string, unknown>): string | undefined {
  const value = raw["system_prompt"];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > MAX_SYSTEM_PROMPT_CHARS) {
    throw refused("system_prompt", `must be text of at most ${String(MAX_SYSTEM_PROMPT_CHARS)} characters`);
  }
  return value;
}

function requireMultiple(batch: number, of: number, what: string): void {
  if (batch % of === 0) return;
  throw refused("global_batch_size", `must be a multiple of ${what}: ${String(batch)} is no multiple of ${String(of)}`);
}

function refused(key: string, message: string): Error {
  const field = `hyperparameters.${key}`;
  return invalid(field, `${field} ${message}`);
}
