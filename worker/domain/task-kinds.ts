/** What a task of each kind may ask for. The spec of a preprocess task is that of the training it is for. */
import type { JobSpec, Method, TaskKind } from "../../protocol";
import { invalid } from "./errors";

/** An import brings a base model and does nothing with it. */
const NOT_OF_AN_IMPORT = [
  ...["dataset_id", "reward_function_id", "hyperparameters", "eval", "early_stop", "test"],
  ...["downsample_percent", "rebalance", "preprocessed_by"],
] as const;

/** Fields of a request by their names; those that were not sent are undefined. */
export type SentFields = Partial<Record<(typeof NOT_OF_AN_IMPORT)[number], unknown>>;

/** Throws `invalid_request` naming the first field that a task of this kind does not take. */
export function checkKind(kind: TaskKind, method: Method, sent: SentFields): void {
  const isPrepared = kind === "preprocess" || sent.preprocessed_by !== undefined;
  if (method === "grpo" && (isPrepared || kind === "import")) {
    const why =
      kind === "import" ? "name what its language model is, sft_text" : "its prompts are templated as it runs";
    throw invalid("method", `grpo has no ${kind === "import" ? "import" : "preprocessing"}: ${why}`);
  }
  if (kind === "import") {
    const extra = NOT_OF_AN_IMPORT.find((field) => sent[field] !== undefined);
    if (extra !== undefined) throw invalid(extra, "must be omitted: an import only brings a base model");
  }
  if (kind === "preprocess") {
    if (sent.preprocessed_by !== undefined) {
      throw invalid("preprocessed_by", "must be omitted: this task does the preprocessing itself");
    }
    if (sent.test !== undefined) throw invalid("test", "must be omitted: a preprocess task has no checkpoints to test");
  }
}

/** The field in which tokenised data made of `made` is not what `wanted` trains on; null when it is. */
export function preprocessedMisfit(made: JobSpec, wanted: JobSpec): string | null {
  const [before, now] = [rowsOf(made), rowsOf(wanted)];
  return Object.keys(now).find((field) => JSON.stringify(before[field]) !== JSON.stringify(now[field])) ?? null;
}

/** All that decides which rows there are, and which tokens they have. */
function rowsOf(spec: JobSpec): Record<string, unknown> {
  const { method, base_model, dataset_id, eval: evaluation, downsample_percent, rebalance, test } = spec;
  const { hyperparameters } = spec;
  const evalSplit = evaluation && "split_percent" in evaluation ? evaluation.split_percent : undefined;
  const testSplit = test && "split_percent" in test ? test.split_percent : undefined;
  const drawn = [evalSplit, testSplit, downsample_percent, rebalance].some((part) => part !== undefined);
  return {
    ...{ method, base_model, dataset_id, downsample_percent, rebalance },
    eval: evaluation && "dataset_id" in evaluation ? evaluation.dataset_id : evalSplit,
    test: testSplit,
    "hyperparameters.seed": drawn ? hyperparameters.seed : undefined,
    "hyperparameters.max_seq_length": "max_seq_length" in hyperparameters ? hyperparameters.max_seq_length : undefined,
    "hyperparameters.system_prompt": "system_prompt" in hyperparameters ? hyperparameters.system_prompt : undefined,
  };
}
