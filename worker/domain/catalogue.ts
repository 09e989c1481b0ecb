/**
 * The base models that have a name of their own here, as data: where each comes from, what it can be trained for, and the
 * parameters that Emissary proposes for each method, in that API's own words (numbers and strings only). Any other
 * Hugging Face id can be trained too; of those nothing is known.
 */
import type { BaseModelRef, Method } from "../../protocol";

export type CatalogueType = "completion" | "chat" | "classification" | "embeddings";
export type ParameterTemplate = Readonly<Record<string, number | string>>;

export interface CatalogueModel {
  name: string;
  /** Made by the trainer on the spot, or fetched from Hugging Face. */
  source: { kind: "builtin" } | { kind: "hub"; id: string };
  type: CatalogueType;
  tasks: readonly Method[];
  isLanguageModel: boolean;
  /** Called by its own name, without an engine that somebody has made. */
  supportServerless: boolean;
  templates: Readonly<Partial<Record<Method, ParameterTemplate>>>;
}

/** What the vendor shows for SFT of its 4B language model. */
const LANGUAGE_MODEL: ParameterTemplate = {
  downsample_size: 100,
  eval_accumulation_steps: 50,
  gradient_accumulation_steps: 4,
  learning_rate: 2e-4,
  logging_steps: 100,
  lr_scheduler_type: "linear",
  max_grad_norm: 0.3,
  num_train_epochs: 5,
  optim: "paged_adamw_8bit",
  per_device_eval_batch_size: 4,
  per_device_train_batch_size: 4,
  warmup_ratio: 0.03,
  weight_decay: 0,
};

/** What the vendor shows for GRPO, but its saving by steps, since checkpoints are epochs; the lengths are TRL's. */
const GRPO: ParameterTemplate = {
  adam_beta1: 0.9,
  adam_beta2: 0.99,
  downsample_size: 100,
  gradient_accumulation_steps: 1,
  learning_rate: 5e-6,
  logging_steps: 1,
  lr_scheduler_type: "cosine",
  max_completion_length: 256,
  max_grad_norm: 0.1,
  max_prompt_length: 512,
  num_generations: 4,
  num_train_epochs: 15,
  optim: "paged_adamw_8bit",
  per_device_train_batch_size: 4,
  warmup_ratio: 0.1,
  weight_decay: 0.1,
};

/** Ours, for a model of one token a byte that minutes of a CPU are for. */
const TINY_GRPO: ParameterTemplate = { ...GRPO, max_completion_length: 32, num_train_epochs: 1 };

/** Ours, for encoders that are trained whole: what their makers and sentence-transformers use. */
const ENCODER: ParameterTemplate = {
  downsample_size: 100,
  eval_accumulation_steps: 50,
  gradient_accumulation_steps: 1,
  learning_rate: 5e-5,
  logging_steps: 10,
  lr_scheduler_type: "linear",
  max_grad_norm: 1,
  num_train_epochs: 5,
  optim: "adamw_torch",
  per_device_eval_batch_size: 16,
  per_device_train_batch_size: 16,
  warmup_ratio: 0.1,
  weight_decay: 0.01,
};

const ENCODER_TASKS = ["classification", "regression", "embedding"] as const;
const LANGUAGE_MODEL_TASKS = ["sft_text", "grpo", ...ENCODER_TASKS] as const;

export const CATALOGUE: readonly CatalogueModel[] = [
  languageModel("Llama-3.2-1B-Instruct", "chat", "meta-llama/Llama-3.2-1B-Instruct"),
  languageModel("Llama-3.2-3B-Instruct", "chat", "meta-llama/Llama-3.2-3B-Instruct"),
  languageModel("Llama-3.2-1B-Completion", "completion", "meta-llama/Llama-3.2-1B"),
  languageModel("Llama-3.2-3B-Completion", "completion", "meta-llama/Llama-3.2-3B"),
  languageModel("Qwen3-4B-Base", "completion", "Qwen/Qwen3-4B-Base"),
  languageModel("Qwen3-4B-Instruct", "chat", "Qwen/Qwen3-4B-Instruct-2507"),
  encoder("All-Mpnet-Base-V2-Embedding", "embeddings", "sentence-transformers/all-mpnet-base-v2"),
  encoder("BERT", "classification", "google-bert/bert-base-uncased"),
  languageModel("mistral-7b-instruct-v0.1", "chat", "mistralai/Mistral-7B-Instruct-v0.1"),
  languageModel("mistral-7b-instruct-v0.2", "chat", "mistralai/Mistral-7B-Instruct-v0.2"),
  languageModel("mistral-7b-completion", "completion", "mistralai/Mistral-7B-v0.1"),
  languageModel("codestral", "completion", "mistralai/Codestral-22B-v0.1"),
  languageModel("llama2-7b-chat", "chat", "meta-llama/Llama-2-7b-chat-hf"),
  languageModel("llama2-7b-completion", "completion", "meta-llama/Llama-2-7b-hf"),
  languageModel("llama3-8b-chat", "chat", "meta-llama/Meta-Llama-3-8B-Instruct"),
  languageModel("llama3-8b-completion", "completion", "meta-llama/Meta-Llama-3-8B"),
  languageModel("llama3.1-8b-instruct", "chat", "meta-llama/Llama-3.1-8B-Instruct"),
  languageModel("llama3.1-8b-completion", "completion", "meta-llama/Llama-3.1-8B"),
  languageModel("falcon-7b-chat", "chat", "tiiuae/falcon-7b-instruct"),
  languageModel("falcon-7b-completion", "completion", "tiiuae/falcon-7b"),
  languageModel("opencodeinterpreter-7B-chat", "chat", "m-a-p/OpenCodeInterpreter-DS-6.7B"),
  languageModel("phi-3-mini-4k-instruct", "chat", "microsoft/Phi-3-mini-4k-instruct"),
  languageModel("anneal/tiny-llama", "chat", null),
  encoder("anneal/tiny-bert", "classification", null),
];

function languageModel(name: string, type: "completion" | "chat", hubId: string | null): CatalogueModel {
  const templates = {
    sft_text: LANGUAGE_MODEL,
    grpo: hubId === null ? TINY_GRPO : GRPO,
    classification: LANGUAGE_MODEL,
    regression: LANGUAGE_MODEL,
    embedding: LANGUAGE_MODEL,
  };
  const source = sourceOf(hubId);
  return {
    name,
    type,
    source,
    tasks: LANGUAGE_MODEL_TASKS,
    isLanguageModel: true,
    supportServerless: true,
    templates,
  };
}

function encoder(name: string, type: "classification" | "embeddings", hubId: string | null): CatalogueModel {
  const templates = { classification: ENCODER, regression: ENCODER, embedding: ENCODER };
  const source = sourceOf(hubId);
  // One without a head that was trained tells nothing apart.
  const supportServerless = type === "embeddings";
  return { name, type, source, tasks: ENCODER_TASKS, isLanguageModel: false, supportServerless, templates };
}

/** Tiny models that the trainer makes on the spot, so that the main job needs no network, have no hub id. */
function sourceOf(hubId: string | null): CatalogueModel["source"] {
  return hubId === null ? { kind: "builtin" } : { kind: "hub", id: hubId };
}

export const BUILT_IN_BASE_MODELS: readonly string[] = CATALOGUE.filter(({ source }) => source.kind === "builtin").map(
  ({ name }) => name,
);

/** For base models of which nothing is known. */
export function defaultTemplate(method: Method): ParameterTemplate {
  if (method === "grpo") return GRPO;
  return method === "sft_text" ? LANGUAGE_MODEL : ENCODER;
}

const BY_NAME = new Map(CATALOGUE.map((model) => [model.name, model]));
const BY_HUB_ID = new Map(
  CATALOGUE.flatMap((model): [string, CatalogueModel][] =>
    model.source.kind === "hub" ? [[model.source.id, model]] : [],
  ),
);

export function catalogueModel(name: string): CatalogueModel | null {
  return BY_NAME.get(name) ?? null;
}

/** What is known of a parsed base model; null for other hub ids, paths and jobs. */
export function modelOf(base: BaseModelRef): CatalogueModel | null {
  if (base.kind === "builtin") return catalogueModel(base.name);
  return base.kind === "hub" ? (BY_HUB_ID.get(base.id) ?? null) : null;
}

const NEED_A_LANGUAGE_MODEL: readonly Method[] = ["sft_text", "grpo"];

/**
 * Why `method` cannot begin from this base; null when it can, or when nobody here knows. `trainedBy` is the method of the
 * job that a `job_` base names: a model whose head tells classes or scores apart writes no text.
 */
export function baseMisfit(method: Method, base: BaseModelRef, trainedBy: Method | null): string | null {
  if (base.kind === "job") {
    const writesText = trainedBy === null || NEED_A_LANGUAGE_MODEL.includes(trainedBy);
    if (writesText || !NEED_A_LANGUAGE_MODEL.includes(method)) return null;
    return `that job has trained ${trainedBy}, and ${method} needs a language model`;
  }
  const model = modelOf(base);
  if (model === null || model.tasks.includes(method)) return null;
  return `${model.name} cannot be trained by ${method}; it can by ${model.tasks.join(", ")}`;
}
