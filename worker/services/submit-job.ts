/** Makes a job of a request: everything that can be known to be wrong is refused here, before any host is used. */
import { jobSpec, method as methodSchema, type BaseModelRef, type JobSpec, type Method } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { DatasetRecord, FunctionRecord } from "../domain/artifacts";
import { parseBaseModel } from "../domain/base-model";
import { formatFits } from "../domain/dataset-fit";
import { DomainError, invalid } from "../domain/errors";
import { normaliseEarlyStop, normaliseEvaluation } from "../domain/evaluation";
import { parseGpu } from "../domain/gpu";
import { normaliseHyperparameters } from "../domain/hyperparameters";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, DatasetStore, FunctionStore, Settings } from "../domain/ports";
import { checkProvider } from "../domain/provider";
import { createJob, earlierAnswer, type CreatePorts } from "./create-job";
import type { Idempotency, JobRequest } from "./services";

const MAX_OUTPUT_NAME_CHARS = 200;

export interface SubmitPorts extends CreatePorts {
  datasets: DatasetStore;
  functions: FunctionStore;
  checkpoints: CheckpointStore;
  settings: Settings;
}

export async function submitJob(
  ports: SubmitPorts,
  principal: Principal,
  request: JobRequest,
  idempotency: Idempotency | null,
): Promise<JobRecord> {
  const earlier = idempotency ? await earlierAnswer(ports, principal.accountId, idempotency) : null;
  if (earlier) return earlier;
  const spec = await toSpec(ports, principal, request);
  const { accountId, projectId } = principal;
  const origin = { accountId, projectId, spec, baseModel: request.baseModel, retryOf: null, startJobId: null };
  return createJob(ports, origin, idempotency);
}

async function toSpec(ports: SubmitPorts, principal: Principal, request: JobRequest): Promise<JobSpec> {
  const method = parseMethod(request.method);
  if (request.outputName.trim() === "" || request.outputName.length > MAX_OUTPUT_NAME_CHARS) {
    throw invalid("output_name", `must have 1 to ${String(MAX_OUTPUT_NAME_CHARS)} characters`);
  }
  const wanted = request.gpu ?? ports.settings.defaultGpu;
  const gpu = parseGpu(wanted.type, wanted.count);
  const provider = checkProvider(request.provider ?? null);
  const { values } = normaliseHyperparameters(method, request.hyperparameters, { gpuCount: gpu.count });
  const base = parseBaseModel(request.baseModel, {
    allowPaths: ports.settings.dev && provider === "local",
  });
  checkFunctionCount(method, request.functions.length);
  const [dataset, functions, evalDataset] = await Promise.all([
    fittingDataset(ports, principal, method, request.datasetId, "dataset_id"),
    Promise.all(request.functions.map((fn) => ownFunction(ports, principal, fn.id))),
    evalDatasetOf(ports, principal, method, request),
    checkBaseJob(ports, principal, base),
  ]);
  return jobSpec.parse({
    version: 1,
    method,
    base_model: base,
    dataset_id: dataset.id,
    output_name: request.outputName,
    gpu,
    provider,
    ...(request.maxCostUsd === undefined ? {} : { max_cost_usd: request.maxCostUsd }),
    ...(request.maxDurationSeconds === undefined ? {} : { max_duration_seconds: request.maxDurationSeconds }),
    ...(request.hangTimeoutSeconds === undefined ? {} : { hang_timeout_seconds: request.hangTimeoutSeconds }),
    ...evaluationOf(method, request, dataset, evalDataset),
    hyperparameters: values,
    functions: functions.map((fn, index) => ({ id: fn.id, weight: request.functions[index]?.weight ?? 1 })),
  });
}

function parseMethod(text: string): Method {
  const parsed = methodSchema.safeParse(text);
  if (!parsed.success) {
    throw invalid("method", `unknown method '${text}'; known: ${methodSchema.options.join(", ")}`);
  }
  return parsed.data;
}

function checkFunctionCount(method: Method, count: number): void {
  if (method === "grpo" && count === 0) {
    throw invalid("reward_function_id", "grpo needs a reward function: upload one and name it here");
  }
  if (method !== "grpo" && count > 0) {
    throw invalid("reward_function_id", `must be omitted: ${method} takes no reward function`);
  }
}

/** A dataset of the account whose rows can train (and so test) the method. */
async function fittingDataset(
  ports: SubmitPorts,
  principal: Principal,
  method: Method,
  id: string | null,
  field: string,
): Promise<DatasetRecord> {
  const dataset = id === null ? null : await ports.datasets.get(principal.accountId, id);
  if (!dataset) throw new DomainError("not_found", "dataset not found", { field });
  const misfit = formatFits(method, dataset);
  if (misfit !== null) throw new DomainError("dataset_format_incompatible", misfit, { field });
  return dataset;
}

async function evalDatasetOf(
  ports: SubmitPorts,
  principal: Principal,
  method: Method,
  request: JobRequest,
): Promise<DatasetRecord | null> {
  const id = request.eval?.datasetId;
  return id === undefined ? null : fittingDataset(ports, principal, method, id, "eval.dataset_id");
}

function evaluationOf(
  method: Method,
  { eval: wanted, earlyStop }: JobRequest,
  dataset: DatasetRecord,
  evalDataset: DatasetRecord | null,
): Pick<JobSpec, "eval" | "early_stop"> {
  const datasetId = evalDataset?.id;
  if (evalDataset && evalDataset.format !== dataset.format) {
    const misfit = `its format is ${evalDataset.format}, and the training data's is ${dataset.format}`;
    throw new DomainError("dataset_format_incompatible", misfit, { field: "eval.dataset_id" });
  }
  return {
    ...(wanted && { eval: normaliseEvaluation(method, { ...wanted, datasetId }) }),
    ...(earlyStop && { early_stop: normaliseEarlyStop(method, wanted !== undefined, earlyStop) }),
  };
}

async function ownFunction(ports: SubmitPorts, principal: Principal, id: string | null): Promise<FunctionRecord> {
  const fn = id === null ? null : await ports.functions.get(principal.accountId, id);
  if (!fn) throw new DomainError("not_found", "reward function not found", { field: "reward_function_id" });
  return fn;
}

/** `job_<id>[@ordinal]` must name a job of the account that has such a checkpoint. */
async function checkBaseJob(ports: SubmitPorts, principal: Principal, base: BaseModelRef): Promise<void> {
  if (base.kind !== "job") return;
  const job = await ports.jobs.get(principal.accountId, base.job_id);
  if (!job) throw new DomainError("not_found", "the base model's job was not found", { field: "base_model" });
  const found =
    base.ordinal === undefined
      ? job.finalCheckpointId !== null &&
        (await ports.checkpoints.get(job.id, job.finalCheckpointId))?.state === "committed"
      : (await ports.checkpoints.byOrdinal(job.id, base.ordinal)) !== null;
  if (!found) {
    const which = base.ordinal === undefined ? "final checkpoint" : `checkpoint ${String(base.ordinal)}`;
    throw invalid("base_model", `the job has no ${which}; it is ${job.status}`);
  }
}
