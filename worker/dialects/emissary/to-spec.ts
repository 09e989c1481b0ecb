/** A request's body as the domain's request for a job. */
import { invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRequest } from "../../services/services";
import type { Base } from "./base";
import type { CreateGrpoTrainingJob, CreateTrainingJob } from "./create-job-schema";
import { methodOf } from "./map";
import { templateOf, toTraining } from "./parameters";
import { PREFIX, type Technique } from "./schema";

/** Weights are decimal fractions: what their sum misses of 1 is rounding. */
const WEIGHTS_TOLERANCE = 1e-6;

export function toSpec(body: CreateTrainingJob, base: Base, name: string): JobRequest {
  return {
    ...commonSpec("SFT", body, base, name),
    functions: [],
    ...(body.rebalance_data ? { rebalance: body.rebalance_data } : {}),
  };
}

export function toGrpoSpec(body: CreateGrpoTrainingJob, base: Base, name: string): JobRequest {
  const weights = weightsOf(body);
  return { ...commonSpec("GRPO", body, base, name), functions: weights.map(([fn, weight]) => ({ name: fn, weight })) };
}

function commonSpec(
  technique: Technique,
  body: CreateTrainingJob | CreateGrpoTrainingJob,
  base: Base,
  name: string,
): Omit<JobRequest, "functions"> {
  const task = body.task_type ?? "text-generation";
  const method = methodOf(technique, task);
  if (method === null) throw invalid("task_type", `${technique} is for text-generation, not for ${task}`);
  const test = testOf(body);
  return {
    method,
    ...base.wanted,
    datasetId: parseId(PREFIX.dataset, body.train_dataset_id),
    ...toTraining(method, templateOf(base.model, method), body.parameters ?? {}),
    outputName: name,
    ...(body.description ? { description: body.description } : {}),
    ...(test ? { test } : {}),
    ownProjectOnly: true,
  };
}

/** Absent without a test set: then nothing is tested, whatever functions are named. */
function testOf(body: CreateTrainingJob | CreateGrpoTrainingJob): JobRequest["test"] {
  const { test_dataset_id: datasetId, train_test_split_ratio: splitPercent, test_functions: names } = body;
  const functions = (names ?? []).map((name) => ({ name }));
  if (datasetId !== undefined && datasetId !== null)
    return { datasetId: parseId(PREFIX.dataset, datasetId), functions };
  return splitPercent === undefined || splitPercent === null ? undefined : { splitPercent, functions };
}

function weightsOf({ test_functions: names, reward }: CreateGrpoTrainingJob): [string, number][] {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid("test_functions", `names '${shown(twice)}' twice`);
  const other = Object.keys(reward).find((name) => !names.includes(name));
  if (other !== undefined) throw invalid("reward", `names '${shown(other)}', which is not one of test_functions`);
  const weights = names.map((name): [string, number] => {
    const weight = Object.hasOwn(reward, name) ? reward[name] : undefined;
    if (weight === undefined) throw invalid("reward", `has no weight for '${shown(name)}'`);
    if (weight < 0) throw invalid("reward", `has a weight below 0 for '${shown(name)}'`);
    return [name, weight];
  });
  const sum = weights.reduce((total, [, weight]) => total + weight, 0);
  if (Math.abs(sum - 1) > WEIGHTS_TOLERANCE) {
    throw invalid("reward", `has weights that sum to ${String(sum)}; they must sum to 1`);
  }
  return weights;
}

function shown(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}
