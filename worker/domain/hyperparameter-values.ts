/** One hyperparameter as it was sent: of the right kind and in its range, or refused by name. null stands for absent. */
import { LR_SCHEDULERS, OPTIMIZERS } from "../../protocol";
import { invalid } from "./errors";

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
  warmup_ratio: { from: 0, to: 1 },
  warmup_steps: { whole: true, from: 0, to: 100_000_000 },
  weight_decay: { from: 0, to: 10 },
  max_grad_norm: { from: 0, to: 1_000_000 },
  adam_beta1: { from: 0, below: 1 },
  adam_beta2: { from: 0, below: 1 },
  eval_batch_size: { whole: true, from: 1, to: 65_536 },
  eval_accumulation_steps: { whole: true, from: 1, to: 1_000_000 },
  save_steps: { whole: true, from: 1, to: 100_000_000 },
  logging_steps: { whole: true, from: 1, to: 100_000_000 },
} as const satisfies Record<string, Range>;

export type NumberKey = keyof typeof RANGES;

const CHOICES = { lr_scheduler: LR_SCHEDULERS, optimizer: OPTIMIZERS } as const;
type ChoiceKey = keyof typeof CHOICES;

/** A system prompt is part of every prompt: longer than this is a mistake. */
const MAX_SYSTEM_PROMPT_CHARS = 100_000;

export function numberOf(raw: Record<string, unknown>, key: NumberKey): number | undefined {
  const value = raw[key];
  if (value === undefined || value === null) return undefined;
  const range: Range = RANGES[key];
  if (typeof value !== "number" || !within(value, range)) {
    throw refused(key, `must be ${inWords(range)}, not ${shown(value)}`);
  }
  return value;
}

export function choiceOf<K extends ChoiceKey>(
  raw: Record<string, unknown>,
  key: K,
): (typeof CHOICES)[K][number] | undefined {
  const value = raw[key];
  if (value === undefined || value === null) return undefined;
  const known: readonly string[] = CHOICES[key];
  const found = known.find((word) => word === value);
  if (found === undefined) throw refused(key, `must be one of ${known.join(", ")}, not ${shown(value)}`);
  return found as (typeof CHOICES)[K][number];
}

export function flagOf(raw: Record<string, unknown>, key: string): boolean | undefined {
  const value = raw[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "boolean") throw refused(key, `must be true or false, not ${shown(value)}`);
  return value;
}

export function systemPromptOf(raw: Record<string, unknown>): string | undefined {
  const value = raw["system_prompt"];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length > MAX_SYSTEM_PROMPT_CHARS) {
    throw refused("system_prompt", `must be text of at most ${String(MAX_SYSTEM_PROMPT_CHARS)} characters`);
  }
  return value;
}

export function refused(key: string, message: string): Error {
  const field = `hyperparameters.${key}`;
  return invalid(field, `${field} ${message}`);
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
