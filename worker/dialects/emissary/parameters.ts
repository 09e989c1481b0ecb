/**
 * Emissary's `parameters` and the domain's hyperparameters, both ways. The words are those of Hugging Face's
 * TrainingArguments, which the contract follows; a base model's template gives what was not sent.
 */
import { hyperparametersByMethod, type JobSpec, type Method } from "../../../protocol";
import { defaultTemplate, type CatalogueModel } from "../../domain/catalogue";
import { invalid } from "../../domain/errors";
import type { JobRequest } from "../../services/services";

type Scalar = string | number | boolean;

/** Where the two have different words. */
const PARAMETER_OF: Readonly<Record<string, string>> = {
  num_epochs: "num_train_epochs",
  batch_size: "per_device_train_batch_size",
  eval_batch_size: "per_device_eval_batch_size",
  rollouts_per_prompt: "num_generations",
  kl_coef: "beta",
  max_response_length: "max_completion_length",
  lr_scheduler: "lr_scheduler_type",
  optimizer: "optim",
};
const HYPERPARAMETER_OF = Object.fromEntries(Object.entries(PARAMETER_OF).map(([ours, theirs]) => [theirs, ours]));

const OPTIMIZER_OF: Readonly<Record<string, string>> = {
  adamw_torch: "adamw",
  adamw_torch_fused: "adamw",
  adamw_hf: "adamw",
};

/** Adapters are the contract's way with language models; these are the numbers that its documents had. */
const LORA_OF_LANGUAGE_MODELS = { lora_rank: 32, lora_alpha: 64, lora_dropout: 0.05 };

const MAX_PER_GPU = 65_536;

export function parameterName(hyperparameter: string): string {
  // The product of both; of the two the batch is what people set.
  if (hyperparameter === "global_batch_size") return "per_device_train_batch_size";
  return PARAMETER_OF[hyperparameter] ?? hyperparameter;
}

/** What is merged with the parameters that were sent; `model` is null for one that the catalogue does not know. */
export function templateOf(model: CatalogueModel | null, method: Method): Readonly<Record<string, string | number>> {
  const template = model?.templates[method] ?? defaultTemplate(method);
  const generatesText = method === "sft_text" || method === "grpo";
  return (model?.isLanguageModel ?? generatesText) ? { ...template, ...LORA_OF_LANGUAGE_MODELS } : template;
}

/** Errors name `parameters.<key>`; what the domain refuses is renamed by `errors.ts`. */
export function toTraining(
  method: Method,
  template: Readonly<Record<string, string | number>>,
  sent: Record<string, unknown>,
): Pick<JobRequest, "hyperparameters" | "batching" | "downsamplePercent"> {
  const given = Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== null && value !== undefined));
  checkKnown(method, given);
  const { downsample_size: percent, gradient_accumulation_steps: accumulation, ...merged } = { ...template, ...given };
  const perGpu = merged["per_device_train_batch_size"];
  const batching = {
    perGpu: whole("per_device_train_batch_size", perGpu),
    accumulation: whole("gradient_accumulation_steps", accumulation),
  };
  const withoutLora = merged["lora_rank"] === 0;
  const hyperparameters: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(merged)) {
    if (withoutLora && name.startsWith("lora_")) continue;
    const key = HYPERPARAMETER_OF[name] ?? name;
    if (key in hyperparametersByMethod[method].shape) hyperparameters[key] = domainValue(key, value);
    else if (key !== "batch_size" && key !== "dynamic_loss") throw unknownParameter(method, name);
  }
  return { hyperparameters, batching, downsamplePercent: percentOf(percent) };
}

/** The merged set, as the job has it; with the word that the job's origin did not know left out. */
export function fromTraining(spec: JobSpec): Record<string, Scalar> {
  const {
    batch_size: perGpu,
    global_batch_size: batch,
    ...others
  } = {
    batch_size: spec.hyperparameters.global_batch_size / spec.gpu.count,
    ...spec.hyperparameters,
  };
  const shown: Record<string, Scalar> = {
    downsample_size: spec.downsample_percent ?? 100,
    per_device_train_batch_size: perGpu,
    gradient_accumulation_steps: batch / (perGpu * spec.gpu.count),
  };
  for (const [key, value] of Object.entries(others)) {
    if (value !== null) shown[parameterName(key)] = key === "optimizer" && value === "adamw" ? "adamw_torch" : value;
  }
  return shown;
}

function checkKnown(method: Method, given: Record<string, unknown>): void {
  const known = knownParameters(method);
  for (const [name, value] of Object.entries(given)) {
    if (known.includes(name)) continue;
    // Switched off it means nothing, wherever it is not a word.
    if (name === "dynamic_loss" && value === false) continue;
    throw unknownParameter(method, name);
  }
}

function unknownParameter(method: Method, name: string): Error {
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return invalid(
    `parameters.${shown}`,
    `is not a parameter of this kind of training; known: ${knownParameters(method).join(", ")}`,
  );
}

function knownParameters(method: Method): string[] {
  const own = Object.keys(hyperparametersByMethod[method].shape).filter((key) => key !== "global_batch_size");
  const counted = ["downsample_size", "gradient_accumulation_steps", "per_device_train_batch_size"];
  return [...new Set([...counted, ...own.map(parameterName)])];
}

function domainValue(key: string, value: unknown): unknown {
  return key === "optimizer" && typeof value === "string" ? (OPTIMIZER_OF[value] ?? value) : value;
}

function whole(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_PER_GPU) return value;
  throw invalid(`parameters.${name}`, `must be a whole number from 1 to ${String(MAX_PER_GPU)}`);
}

function percentOf(value: unknown): number {
  if (typeof value === "number") return value;
  throw invalid("parameters.downsample_size", "must be a number: the percentage of the rows to train on");
}
