/** What a job may ask of evaluation and early stopping: the rules between the fields, and the defaults. */
import { EVAL_METRICS, earlyStop, evaluation, type EarlyStop, type Evaluation, type Method } from "../../protocol";
import { invalid } from "./errors";

const DEFAULT_REWARD_WINDOW = 10;
const MAX_EVERY_EPOCHS = 10_000;

/** `datasetId` has been found to be the account's own. */
export interface WantedEvaluation {
  datasetId?: string;
  splitPercent?: number;
  everySteps?: number;
  everyEpochs?: number;
  /** None is as if absent: the loss alone. */
  metrics?: string[];
  atStart?: boolean;
}

export interface WantedEarlyStop {
  metric: string;
  patience: number;
  minDelta?: number;
  window?: number;
}

/** Throws `invalid_request` naming the field. */
export function normaliseEvaluation(method: Method, wanted: WantedEvaluation): Evaluation {
  if (method === "grpo") throw invalid("eval", "is not for grpo, which reports its reward at every step");
  const { datasetId, splitPercent, everySteps, everyEpochs, metrics = [], atStart } = wanted;
  if ((datasetId === undefined) === (splitPercent === undefined)) {
    throw invalid("eval", "needs exactly one of dataset_id and split_percent");
  }
  const source = datasetId === undefined ? { split_percent: splitPercent } : { dataset_id: datasetId };
  if (everySteps !== undefined && everyEpochs !== undefined) {
    throw invalid("eval.every_epochs", "says the same as eval.every_steps, when to evaluate: send one of them");
  }
  if (everyEpochs !== undefined && !isWholeTo(everyEpochs, MAX_EVERY_EPOCHS)) {
    throw invalid("eval.every_epochs", `must be a whole number from 1 to ${String(MAX_EVERY_EPOCHS)}`);
  }
  checkMetrics(method, metrics);
  return evaluation.parse({
    ...source,
    ...(everySteps === undefined ? {} : { every_steps: everySteps }),
    ...(everyEpochs === undefined ? {} : { every_epochs: everyEpochs }),
    ...(metrics.length === 0 ? {} : { metrics }),
    ...(atStart ? { at_start: true } : {}),
  });
}

function isWholeTo(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= max;
}

function checkMetrics(method: Method, metrics: string[]): void {
  const known: readonly string[] = EVAL_METRICS[method];
  const unknown = metrics.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw invalid("eval.metrics", `has no '${shown(unknown)}' for ${method}; known: ${known.join(", ")}`);
  }
  const twice = metrics.find((name, index) => metrics.indexOf(name) !== index);
  if (twice !== undefined) throw invalid("eval.metrics", `names '${twice}' twice`);
}

function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
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
