/** The Training Module's parameters in the domain's words: defaults, rules between them, and what the domain says in theirs. */
import type { Method } from "../../protocol";
import { parseBaseModel } from "./base-model";
import { baseMisfit } from "./catalogue";
import { DomainError, invalid } from "./errors";
import { normaliseEvaluation } from "./evaluation";
import { normaliseHyperparameters } from "./hyperparameters";
import { MODULE_TASK_TYPES, type ModuleSessionRecord, type ModuleTaskType } from "./module-sessions";

export const METHOD_OF_TASK_TYPE = {
  "text-generation": "sft_text",
  classification: "classification",
  regression: "regression",
  embedding: "embedding",
} as const satisfies Record<ModuleTaskType, Method>;

/** Those that a CPU is enough for: a real model is named. */
const DEFAULT_MODELS: Readonly<Record<ModuleTaskType, string>> = {
  "text-generation": "anneal/tiny-llama",
  classification: "anneal/tiny-bert",
  regression: "anneal/tiny-bert",
  embedding: "anneal/tiny-bert",
};

const DEFAULT_METRICS: Readonly<Record<ModuleTaskType, readonly string[]>> = {
  "text-generation": ["loss", "perplexity"],
  classification: ["loss", "accuracy", "f1"],
  regression: ["loss", "mse", "mae"],
  embedding: ["loss", "spearman"],
};

/** Every parameter with what it is set to, or its default. */
export interface FilledModuleConfig {
  model: string;
  taskType: ModuleTaskType;
  batchSize: number;
  epochs: number;
  evalMetrics: string[];
  epochsPerTestRun: number;
  learningRate: number;
  seed: number;
  initEval: boolean;
  /** null: what is preprocessed is not looked for by other sessions. */
  cacheDir: string | null;
  overwriteCache: boolean;
}

type Configured = Pick<ModuleSessionRecord, "config" | "importedModel">;

/** Without a model of its own, a session trains the one that it has imported. */
export function filledConfig({ config, importedModel }: Configured): FilledModuleConfig {
  const taskType = config.taskType ?? config.importedTaskType ?? "text-generation";
  const defaults = normaliseHyperparameters(METHOD_OF_TASK_TYPE[taskType], {}, { gpuCount: 1 }).values;
  return {
    model: config.model ?? importedModel ?? DEFAULT_MODELS[taskType],
    taskType,
    batchSize: config.batchSize ?? defaults.batch_size,
    epochs: config.epochs ?? defaults.num_epochs,
    evalMetrics: config.evalMetrics ?? [...DEFAULT_METRICS[taskType]],
    epochsPerTestRun: config.epochsPerTestRun ?? 1,
    learningRate: config.learningRate ?? defaults.learning_rate,
    seed: config.seed ?? defaults.seed,
    initEval: config.initEval ?? false,
    cacheDir: config.cacheDir ?? null,
    overwriteCache: config.overwriteCache ?? false,
  };
}

/** What of them are hyperparameters. */
export function moduleHyperparameters(config: FilledModuleConfig): Record<string, number> {
  const { batchSize, epochs, learningRate, seed } = config;
  return { batch_size: batchSize, num_epochs: epochs, learning_rate: learningRate, seed };
}

/** When the model is evaluated while it trains, and what that tells. */
export function moduleEvaluation(config: FilledModuleConfig) {
  return { everyEpochs: config.epochsPerTestRun, metrics: config.evalMetrics, atStart: config.initEval };
}

/** Refuses what no job could be made of, by the parameter's own name. */
export function checkConfig(session: Configured): void {
  const filled = filledConfig(session);
  const method = METHOD_OF_TASK_TYPE[filled.taskType];
  inModuleWords(PARAMETER_OF, () => {
    normaliseHyperparameters(method, moduleHyperparameters(filled), { gpuCount: 1 });
    normaliseEvaluation(method, { datasetId: "", ...moduleEvaluation(filled) });
    if (filled.model !== session.importedModel) checkModel(filled.model, filled.taskType);
  });
}

/** Of a job only its making tells what it is good for. */
export function checkModel(model: string, taskType: ModuleTaskType): void {
  const base = parseBaseModel(model, { allowPaths: false });
  const fits = (of: ModuleTaskType) => base.kind === "job" || baseMisfit(METHOD_OF_TASK_TYPE[of], base, null) === null;
  if (fits(taskType)) return;
  const possible = MODULE_TASK_TYPES.filter(fits).join(", ");
  throw invalid("base_model", `${model} cannot be trained for ${taskType}; it can for ${possible}`);
}

export type Words = Readonly<Record<string, string>>;

/** What the domain calls these parameters. */
export const PARAMETER_OF: Words = {
  base_model: "model",
  method: "task_type",
  "hyperparameters.batch_size": "batch_size",
  "hyperparameters.num_epochs": "epochs",
  "hyperparameters.learning_rate": "learning_rate",
  "hyperparameters.seed": "seed",
  "eval.metrics": "eval_metrics",
  "eval.every_epochs": "epochs_per_test_run",
  dataset_id: "train_file",
  "eval.dataset_id": "test_file",
};

function inModuleWords(words: Words, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw translated(error, words);
  }
}

/** An error about one of the domain's fields, as one about the parameter that the caller knows. */
export function translated(error: unknown, words: Words): unknown {
  if (!(error instanceof DomainError)) return error;
  const { field } = error.detail;
  const text = inTaskTypes(error.message);
  if (field === undefined) return new DomainError(error.code, text, error.detail);
  const ours = words[field] ?? field;
  const message = text.startsWith(field) ? ours + text.slice(field.length) : text;
  return new DomainError(error.code, message, { ...error.detail, field: ours });
}

/** The other task types have their methods' names. What is in quotes is the caller's own. */
function inTaskTypes(message: string): string {
  return message.replaceAll(/(?<!['\w/])sft_text(?!['\w/])/g, "text-generation");
}
