/** A request, checked against the domain's rules and made whole: every default filled in, every id found. */
import { jobSpec, method as methodSchema, type JobSpec, type Method } from "../../protocol";
import type { Principal } from "../domain/accounts";
import { parseBaseModel } from "../domain/base-model";
import { invalid } from "../domain/errors";
import { normaliseEarlyStop, normaliseEvaluation } from "../domain/evaluation";
import { parseGpu } from "../domain/gpu";
import { normaliseHyperparameters } from "../domain/hyperparameters";
import type { DatasetStore, FunctionStore, Settings } from "../domain/ports";
import { normaliseDownsample, normaliseRebalance } from "../domain/preparation";
import { checkProvider } from "../domain/provider";
import { checkKind, type SentFields } from "../domain/task-kinds";
import { checkAlike, checkHasAnswers, normaliseTest } from "../domain/testing";
import { baseJob, misfitOf, type BaseJobPorts } from "./base-job";
import { jobDatasets, type JobDatasets } from "./job-datasets";
import { rewardFunctions, testFunctions, type FoundFunction } from "./job-functions";
import type { JobRequest } from "./services";

const MAX_OUTPUT_NAME_CHARS = 200;
const MAX_DESCRIPTION_CHARS = 10_000;

export interface SpecPorts extends BaseJobPorts {
  datasets: DatasetStore;
  functions: FunctionStore;
  settings: Settings;
}

/** What every kind of task has. */
function commonOf(ports: SpecPorts, request: JobRequest) {
  const method = parseMethod(request.method);
  checkTexts(request);
  checkKind(request.kind ?? "train", method, sentFields(request));
  const wanted = request.gpu ?? ports.settings.defaultGpu;
  const gpu = parseGpu(wanted.type, wanted.count);
  const provider = checkProvider(request.provider ?? null);
  const sent = { ...request.hyperparameters, ...batchOf(request, gpu.count) };
  const { values } = normaliseHyperparameters(method, sent, { gpuCount: gpu.count });
  const base = parseBaseModel(request.baseModel, {
    allowPaths: ports.settings.dev && provider === "local",
  });
  const spec = {
    version: 1,
    method,
    base_model: base,
    output_name: request.outputName,
    gpu,
    provider,
    ...(request.description === undefined ? {} : { description: request.description }),
    ...(request.maxCostUsd === undefined ? {} : { max_cost_usd: request.maxCostUsd }),
    ...(request.maxDurationSeconds === undefined ? {} : { max_duration_seconds: request.maxDurationSeconds }),
    ...(request.hangTimeoutSeconds === undefined ? {} : { hang_timeout_seconds: request.hangTimeoutSeconds }),
    hyperparameters: values,
  };
  return { method, base, spec };
}

export function importSpec(ports: SpecPorts, request: JobRequest): JobSpec {
  const { method, base, spec } = commonOf(ports, request);
  if (base.kind === "job") throw invalid("base_model", "is a job's model, which is here already: train on it as it is");
  const misfit = misfitOf(method, base, null);
  if (misfit !== null) throw invalid("base_model", misfit);
  return jobSpec.parse({ ...spec, dataset_id: "", functions: [] });
}

/** Of `train` and of `preprocess`: the spec of what is trained. */
export async function trainingSpec(ports: SpecPorts, principal: Principal, request: JobRequest): Promise<JobSpec> {
  const { method, base, spec } = commonOf(ports, request);
  const [datasets, functions, tests, earlierJob] = await Promise.all([
    jobDatasets(ports, principal, method, request),
    rewardFunctions(ports, principal, method, request.functions),
    testFunctions(ports, principal, request.test?.functions ?? []),
    baseJob(ports, principal, base),
  ]);
  const misfit = misfitOf(method, base, earlierJob?.job ?? null);
  if (misfit !== null) throw invalid("base_model", misfit);
  if (functions.some(({ format }) => format === "test")) checkHasAnswers(datasets.train, "dataset_id");
  return jobSpec.parse({
    ...spec,
    dataset_id: datasets.train.id,
    ...(request.preprocessedBy === undefined ? {} : { preprocessed_by: request.preprocessedBy }),
    ...evaluationOf(method, request, datasets),
    ...preparationOf(method, request, datasets),
    ...testOf(method, request, datasets, tests),
    ...(earlierJob ? { lineage: earlierJob.lineage } : {}),
    functions: functions.map((fn, index) => ({ id: fn.id, weight: request.functions[index]?.weight ?? 1 })),
  });
}

function sentFields(request: JobRequest): SentFields {
  const { datasetId, functions, hyperparameters, batching } = request;
  const hasHyperparameters = Object.keys(hyperparameters).length > 0 || batching !== undefined;
  return {
    dataset_id: datasetId ?? undefined,
    reward_function_id: functions[0],
    hyperparameters: hasHyperparameters ? hyperparameters : undefined,
    eval: request.eval,
    early_stop: request.earlyStop,
    test: request.test,
    downsample_percent: request.downsamplePercent,
    rebalance: request.rebalance,
    preprocessed_by: request.preprocessedBy,
  };
}

function parseMethod(text: string): Method {
  const parsed = methodSchema.safeParse(text);
  if (!parsed.success) {
    throw invalid("method", `unknown method '${text}'; known: ${methodSchema.options.join(", ")}`);
  }
  return parsed.data;
}

function checkTexts({ outputName, description }: JobRequest): void {
  if (outputName.trim() === "" || outputName.length > MAX_OUTPUT_NAME_CHARS) {
    throw invalid("output_name", `must have 1 to ${String(MAX_OUTPUT_NAME_CHARS)} characters`);
  }
  if (description !== undefined && description.length > MAX_DESCRIPTION_CHARS) {
    throw invalid("description", `must have at most ${String(MAX_DESCRIPTION_CHARS)} characters`);
  }
}

function batchOf({ batching }: JobRequest, gpuCount: number): Record<string, unknown> {
  return batching ? { global_batch_size: batching.perGpu * batching.accumulation * gpuCount } : {};
}

function evaluationOf(
  method: Method,
  { eval: wanted, earlyStop }: JobRequest,
  datasets: JobDatasets,
): Pick<JobSpec, "eval" | "early_stop"> {
  if (datasets.eval) checkAlike(method, datasets.train, datasets.eval, "eval.dataset_id");
  return {
    ...(wanted && { eval: normaliseEvaluation(method, { ...wanted, datasetId: datasets.eval?.id }) }),
    ...(earlyStop && { early_stop: normaliseEarlyStop(method, wanted !== undefined, earlyStop) }),
  };
}

function preparationOf(
  method: Method,
  request: JobRequest,
  { train }: JobDatasets,
): Pick<JobSpec, "downsample_percent" | "rebalance"> {
  const percent = normaliseDownsample(request.downsamplePercent);
  return {
    ...(percent === null ? {} : { downsample_percent: percent }),
    ...(request.rebalance && { rebalance: normaliseRebalance(method, train, request.rebalance) }),
  };
}

function testOf(
  method: Method,
  { test: wanted }: JobRequest,
  datasets: JobDatasets,
  functions: FoundFunction[],
): Pick<JobSpec, "test"> {
  if (!wanted) return {};
  const functionIds = functions.map(({ id }) => id);
  const { splitPercent } = wanted;
  return { test: normaliseTest(method, datasets.train, { dataset: datasets.test, splitPercent, functionIds }) };
}
