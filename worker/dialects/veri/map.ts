/** Veri's words for Anneal's domain, both ways. Pure, and total over the domain's statuses. */
import type { ApiKeyRecord } from "../../domain/accounts";
import type { DatasetRecord, FunctionRecord } from "../../domain/artifacts";
import { invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRecord } from "../../domain/job";
import { JOB_STATUSES, isTerminal, type JobStatus } from "../../domain/job-state";
import { METHODS, SHARED_FUNCTION_PREFIX, type Method } from "../../../protocol";
import type { JobRequest } from "../../services/services";
import type { CreateTrainingJobBody } from "./create-job-schema";
import type { VeriMethod, VeriStatus } from "./schema";

export function statusWord(status: JobStatus): VeriStatus {
  switch (status) {
    case "queued":
    case "paused":
      return "queued";
    case "provisioning":
      return "provisioning";
    case "running":
    case "testing":
      return "running";
    case "completed":
      return "completed";
    case "failed":
    case "timed_out":
      return "failed";
    case "cancelled":
      return "cancelled";
  }
}

/** For filters: `queued` includes paused. */
export function statusesOf(word: VeriStatus): JobStatus[] {
  return JOB_STATUSES.filter((status) => statusWord(status) === word);
}

export function methodWord(method: Method): VeriMethod {
  switch (method) {
    case "sft_text":
    case "grpo":
      return method;
    case "classification":
    case "regression":
    case "embedding":
      return `sft_${method}`;
  }
}

/** For filters; null: no job has it yet. */
export function methodOf(word: VeriMethod): Method | null {
  return METHODS.find((method) => methodWord(method) === word) ?? null;
}

/** Methods that can be asked for here. */
const CREATABLE: readonly string[] = ["grpo", "sft_text"];

export const STATUS_WORDS = Object.fromEntries(JOB_STATUSES.map((status) => [status, statusWord(status)])) as Record<
  JobStatus,
  VeriStatus
>;

export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function timestampOrNull(ms: number | null): string | null {
  return ms === null ? null : timestamp(ms);
}

export function toSpec(body: CreateTrainingJobBody): JobRequest {
  const method = body.method ?? "grpo";
  if (method === "sft_video_gen") {
    throw invalid("method", "sft_video_gen is not in this release: it has no trainer for video yet");
  }
  if (!CREATABLE.includes(method)) {
    throw invalid("method", `unknown method '${method.slice(0, 100)}'; known: ${CREATABLE.join(", ")}`);
  }
  const destination = body.checkpoint_destination?.type ?? "veri";
  if (destination !== "veri") {
    throw invalid("checkpoint_destination.type", `unknown destination '${destination}'; known: veri`);
  }
  const extra = Object.keys(body.checkpoint_destination ?? {}).find((key) => key !== "type");
  if (extra !== undefined) throw invalid(`checkpoint_destination.${extra}`, "is not a field of the type 'veri'");
  const functions = rewardFunctions(body);
  if (body.environments) {
    throw invalid(
      "environments",
      functions.length > 0
        ? "give one reward source: either reward_function_id or environments"
        : "environments need the OpenReward integration, which this release does not have; use reward_function_id",
    );
  }
  return {
    method,
    baseModel: body.base_model,
    datasetId: parseId("ds_", body.dataset_id),
    functions,
    hyperparameters: body.hyperparameters ?? {},
    outputName: body.output_name,
    gpu: body.gpu,
    ...(typeof body.provider === "string" ? { provider: body.provider } : {}),
  };
}

function rewardFunctions(body: CreateTrainingJobBody): JobRequest["functions"] {
  const { reward_function_id: single, reward_function_ids: several, reward_weights: weights } = body;
  if (typeof single === "string" && several) {
    throw invalid("reward_function_ids", "give either reward_function_id or reward_function_ids");
  }
  const ids = several ?? (typeof single === "string" ? [single] : []);
  if (weights && weights.length !== ids.length) {
    throw invalid(
      "reward_weights",
      `has ${String(weights.length)} entries for ${String(ids.length)} reward functions; the numbers must match`,
    );
  }
  return ids.map((id, index) => ({ id: parseId("rf_", id), weight: weights?.[index] ?? 1 }));
}

/** The answer of POST: the contract's own order of keys. */
export function fromNewJob(job: JobRecord) {
  return {
    ...jobHead(job, null),
    ...outcome(job),
    started_at: timestampOrNull(job.startedAtMs),
    completed_at: timestampOrNull(job.completedAtMs),
    created_at: timestamp(job.createdAtMs),
  };
}

/** The answer of GET. `downloadUrl` is there once the job has completed. */
export function fromJob(job: JobRecord, downloadUrl: string | null) {
  return {
    ...jobHead(job, downloadUrl),
    ...outcome(job),
    created_at: timestamp(job.createdAtMs),
    started_at: timestampOrNull(job.startedAtMs),
    completed_at: timestampOrNull(job.completedAtMs),
  };
}

export function fromJobInList(job: JobRecord) {
  return {
    ...jobStatus(job),
    base_model: job.baseModel,
    method: methodWord(job.method),
    output_name: job.outputName,
    provider: job.provider,
    dashboard_url: null,
    created_at: timestamp(job.createdAtMs),
    started_at: timestampOrNull(job.startedAtMs),
  };
}

export function jobStatus(job: JobRecord) {
  return { id: `job_${job.id}`, object: "training_job" as const, status: statusWord(job.status) };
}

function jobHead(job: JobRecord, downloadUrl: string | null) {
  return {
    ...jobStatus(job),
    base_model: job.baseModel,
    dataset_id: `ds_${job.datasetId}`,
    reward_function_id: rewardFunctionId(job),
    method: methodWord(job.method),
    output_name: job.outputName,
    hyperparameters: hyperparameters(job),
    dashboard_url: null,
    download_url: downloadUrl,
    error: jobError(job),
    gpu: job.gpu,
    gpu_requested: { type: job.spec.gpu.type, count: job.spec.gpu.count },
    provider: job.provider,
  };
}

/** Veri has one, of the account's own: of several none is *the* one, and a shared one has no id here. */
function rewardFunctionId({ spec: { functions } }: JobRecord): string | null {
  const [only, ...others] = functions;
  if (!only || others.length > 0 || only.id.startsWith(SHARED_FUNCTION_PREFIX)) return null;
  return `rf_${only.id}`;
}

function outcome(job: JobRecord) {
  const took = job.startedAtMs === null || job.completedAtMs === null ? null : job.completedAtMs - job.startedAtMs;
  return { duration_seconds: took === null ? null : took / 1000, cost_usd: costUsd(job) };
}

/** Agents of the account's own cost nothing here; what rent costs is known only once there is rent. */
function costUsd(job: JobRecord): number | null {
  return isTerminal(job.status) && (job.provider === null || job.provider === "local") ? 0 : null;
}

const ECHOED_OF_SFT = [
  "learning_rate",
  "num_epochs",
  "max_steps",
  "batch_size",
  "global_batch_size",
  "max_seq_length",
  "seed",
] as const;

/** The contract's keys in its order; optional ones that were sent come after. */
const ECHOED: Record<Method, readonly string[]> = {
  grpo: [
    "learning_rate",
    "num_epochs",
    "max_steps",
    "rollouts_per_prompt",
    "kl_coef",
    "max_prompt_length",
    "max_response_length",
    "global_batch_size",
    "seed",
  ],
  sft_text: ECHOED_OF_SFT,
  classification: ECHOED_OF_SFT,
  regression: ECHOED_OF_SFT,
  embedding: ECHOED_OF_SFT,
};

function hyperparameters(job: JobRecord): Record<string, unknown> {
  const values: Record<string, unknown> = job.spec.hyperparameters;
  const order = ECHOED[job.method];
  const sent = Object.keys(values).filter((key) => !order.includes(key));
  return Object.fromEntries([...order, ...sent].map((key) => [key, values[key] ?? null]));
}

function jobError(job: JobRecord): { code: string; message: string } | null {
  if (statusWord(job.status) !== "failed") return null;
  const code = job.status === "timed_out" ? "timed_out" : (job.reason ?? "trainer_error");
  const message = job.reasonMessage ?? "the job failed";
  // Clients of the original look for this word at the message's beginning.
  const marked = code === "dataset_format_incompatible" && !message.startsWith(code);
  return { code, message: marked ? `${code}: ${message}` : message };
}

export function fromDataset(dataset: DatasetRecord) {
  return {
    id: `ds_${dataset.id}`,
    object: "dataset" as const,
    name: dataset.name,
    source_type: dataset.sourceType,
    source_uri: null,
    huggingface_dataset: null,
    num_rows: dataset.numRows,
    created_at: timestamp(dataset.createdAtMs),
  };
}

export function fromFunction(fn: FunctionRecord) {
  return {
    id: `rf_${fn.id}`,
    object: "reward_function" as const,
    name: fn.name,
    format: fn.format,
    created_at: timestamp(fn.createdAtMs),
  };
}

/** Key ids are bare in Veri. */
export function fromApiKey(key: ApiKeyRecord) {
  return {
    id: key.id,
    object: "api_key" as const,
    name: key.name,
    key_prefix: key.prefix,
    created_at: timestamp(key.createdAtMs),
    last_used_at: timestampOrNull(key.lastUsedAtMs),
  };
}

export function fromNewApiKey(record: ApiKeyRecord, key: string) {
  return {
    id: record.id,
    object: "api_key" as const,
    name: record.name,
    key_prefix: record.prefix,
    key,
    created_at: timestamp(record.createdAtMs),
    last_used_at: null,
  };
}

export function list<T>(page: { items: T[]; hasMore: boolean }) {
  return { object: "list" as const, data: page.items, has_more: page.hasMore };
}
