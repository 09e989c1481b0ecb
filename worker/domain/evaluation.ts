/** What a job may ask of evaluation and early stopping: the rules between the fields, and the defaults. */
import { earlyStop, evaluation, type EarlyStop, type Evaluation, type Method } from "../../protocol";
import { invalid } from "./errors";

const DEFAULT_REWARD_WINDOW = 10;

/** `datasetId` has been found to be the account's own. */
export interface WantedEvaluation {
  datasetId?: string;
  splitPercent?: number;
  everySteps?: number;
}

export interface WantedEarlyStop {
  metric: string;
  patience: number;
  minDelta?: number;
  window?: number;
}

/** Throws `invalid_request` naming the field. */
export function normaliseEvaluation(method: Method, wanted: WantedEvaluation): Evaluation {
  if (method !== "sft_text") throw invalid("eval", `is for sft_text; ${method} reports its reward at every step`);
  const { datasetId, splitPercent, everySteps } = wanted;
  if ((datasetId === undefined) === (splitPercent === undefined)) {
    throw invalid("eval", "needs exactly one of dataset_id and split_percent");
  }
  const source = datasetId === undefined ? { split_percent: splitPercent } : { dataset_id: datasetId };
  return evaluation.parse({ ...source, ...(everySteps === undefined ? {} : { every_steps: everySteps }) });
}

/** Throws `invalid_request` naming the field. */
export function normaliseEarlyStop(method: Method, hasEval: boolean, wanted: WantedEarlyStop): EarlyStop {
  const { metric, patience, minDelta = 0, window } = wanted;
  if (metric === "reward") {
    if (method !== "grpo") throw invalid("early_stop.metric", `reward is for grpo, and the method is ${method}`);
    return earlyStop.parse({ metric, patience, min_delta: minDelta, window: window ?? DEFAULT_REWARD_WINDOW });
  }
  if (method !== "sft_text")
    throw invalid("early_stop.metric", `eval_loss is for sft_text, and the method is ${method}`);
  if (!hasEval) throw invalid("early_stop.metric", "eval_loss needs eval: there is nothing to compare without it");
  if (window !== undefined) throw invalid("early_stop.window", "is for the metric reward");
  return earlyStop.parse({ metric, patience, min_delta: minDelta });
}
