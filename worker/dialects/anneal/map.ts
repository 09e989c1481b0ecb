/** Between the native dialect's words and the domain's: pure, and total over the domain's types. */
import { HANG_TIMEOUT_SECONDS, SHARED_FUNCTION_PREFIX, type BaseModelRef } from "../../../protocol";
import type { z } from "@hono/zod-openapi";
import type { ApiKeyRecord, ProjectRecord } from "../../domain/accounts";
import type { AgentRecord, BootstrapTokenRecord } from "../../domain/agents";
import type { CheckpointRecord, DatasetRecord, FunctionRecord } from "../../domain/artifacts";
import { methodsFor } from "../../domain/dataset-fit";
import { DomainError, invalid } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRecord } from "../../domain/job";
import type { JobStatus } from "../../domain/job-state";
import type { MetricsAnswer, Page, StreamEventPage } from "../../domain/ports";
import { sharedFunctionId } from "../../domain/test-function";
import { UPLOAD_PART_BYTES, type UploadRecord } from "../../domain/uploads";
import type { UploadStatus } from "../../services/uploads";
import type {
  CheckpointDetail,
  FunctionRef,
  JobRequest,
  ModelArchive,
  ModelDownload,
  NewKey,
  RetryRequest,
} from "../../services/services";
import { PREFIX, type CreateJob, type RetryJob } from "./schema";
import type * as schema from "./schema";

/** Here the domain's own words are shown. */
export const STATUS_WORDS: Record<JobStatus, JobStatus> = {
  queued: "queued",
  provisioning: "provisioning",
  running: "running",
  testing: "testing",
  paused: "paused",
  completed: "completed",
  failed: "failed",
  timed_out: "timed_out",
  cancelled: "cancelled",
};

export function time(ms: number): string {
  return new Date(ms).toISOString();
}

export function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : time(ms);
}

export function fromPage<T, U>(page: Page<T>, map: (item: T) => U): { data: U[]; has_more: boolean } {
  return { data: page.items.map(map), has_more: page.hasMore };
}

export function toJobRequest(body: CreateJob): JobRequest {
  return {
    method: body.method,
    baseModel: body.base_model,
    kind: body.kind,
    datasetId: datasetId(body),
    preprocessedBy: body.preprocessed_by === undefined ? undefined : preprocessId(body.preprocessed_by),
    functions: body.functions.map(({ id, weight }) => ({ ...toFunctionRef(id), weight })),
    hyperparameters: body.hyperparameters,
    outputName: body.output_name,
    gpu: body.gpu,
    provider: body.provider,
    maxCostUsd: body.max_cost_usd,
    maxDurationSeconds: body.max_duration_seconds,
    hangTimeoutSeconds: body.hang_timeout_seconds,
    eval: body.eval && {
      ...(body.eval.dataset_id === undefined ? {} : { datasetId: parseId(PREFIX.dataset, body.eval.dataset_id) }),
      splitPercent: body.eval.split_percent,
      everySteps: body.eval.every_steps,
      everyEpochs: body.eval.every_epochs,
      metrics: body.eval.metrics,
      atStart: body.eval.at_start,
    },
    earlyStop: body.early_stop && {
      metric: body.early_stop.metric,
      patience: body.early_stop.patience,
      minDelta: body.early_stop.min_delta,
      window: body.early_stop.window,
    },
    description: body.description,
    downsamplePercent: body.downsample_percent,
    rebalance: body.rebalance,
    test: body.test && {
      ...(body.test.dataset_id === undefined ? {} : { datasetId: parseId(PREFIX.dataset, body.test.dataset_id) }),
      splitPercent: body.test.split_percent,
      functions: body.test.functions.map(({ id }) => toFunctionRef(id)),
    },
  };
}

function datasetId({ kind, dataset_id: id }: CreateJob): string | null {
  if (id === undefined && kind !== "import") throw invalid("dataset_id", "is required");
  return id === undefined ? null : parseId(PREFIX.dataset, id);
}

function preprocessId(text: string): string {
  const id = parseId(PREFIX.job, text);
  if (id === null) throw new DomainError("not_found", "no such preprocess job", { field: "preprocessed_by" });
  return id;
}

/** One of the account's own is no shared one, whatever its name. */
function toFunctionRef(text: string): FunctionRef {
  if (!text.startsWith(SHARED_FUNCTION_PREFIX)) return { id: parseId(PREFIX.fn, text) };
  const name = text.slice(SHARED_FUNCTION_PREFIX.length);
  return sharedFunctionId(name) === null ? { id: null } : { name };
}

function functionId(id: string): string {
  return id.startsWith(SHARED_FUNCTION_PREFIX) ? id : PREFIX.fn + id;
}

export function toRetryRequest(body: RetryJob): RetryRequest {
  const { from, max_duration_seconds: maxDurationSeconds } = body;
  return { from, ...(maxDurationSeconds === undefined ? {} : { maxDurationSeconds }) };
}

export function fromProject(project: ProjectRecord): z.infer<typeof schema.project> {
  return { id: PREFIX.project + project.id, name: project.name, created_at: time(project.createdAtMs) };
}

export function fromKey(key: ApiKeyRecord): z.infer<typeof schema.key> {
  return {
    id: PREFIX.key + key.id,
    project_id: PREFIX.project + key.projectId,
    name: key.name,
    prefix: key.prefix,
    scopes: key.scopes,
    created_at: time(key.createdAtMs),
    last_used_at: timeOrNull(key.lastUsedAtMs),
  };
}

export function fromNewKey({ record, key }: NewKey): z.infer<typeof schema.newKey> {
  return { ...fromKey(record), key };
}

export function fromDataset(dataset: DatasetRecord): z.infer<typeof schema.dataset> {
  const { profile } = dataset;
  return {
    id: PREFIX.dataset + dataset.id,
    project_id: PREFIX.project + dataset.projectId,
    name: dataset.name,
    format: dataset.format,
    columns: dataset.columns,
    num_rows: dataset.numRows,
    size_bytes: dataset.sizeBytes,
    sha256: dataset.sha256,
    file_name: dataset.fileName,
    file_kind: profile?.fileKind ?? "jsonl",
    methods: methodsFor(dataset),
    misfits: profile?.misfits ?? {},
    labels: profile?.labels ?? null,
    created_at: time(dataset.createdAtMs),
  };
}

export function fromUploadSummary(upload: UploadRecord): z.infer<typeof schema.uploadSummary> {
  return {
    id: PREFIX.upload + upload.id,
    project_id: PREFIX.project + upload.projectId,
    filename: upload.filename,
    purpose: upload.purpose,
    content_type: upload.contentType,
    state: upload.state,
    size_bytes: upload.sizeBytes,
    sha256: upload.sha256,
    created_at: time(upload.createdAtMs),
    expires_at: time(upload.expiresAtMs),
  };
}

export function fromUpload({ upload, progress }: UploadStatus, origin: string): z.infer<typeof schema.upload> {
  return {
    ...fromUploadSummary(upload),
    size_bytes: progress.sizeBytes,
    offset: progress.offset,
    part_bytes: UPLOAD_PART_BYTES,
    upload_url: `${origin}/anneal/v1/uploads/${PREFIX.upload}${upload.id}`,
  };
}

export function fromFunction(fn: FunctionRecord): z.infer<typeof schema.fn> {
  return {
    id: PREFIX.fn + fn.id,
    project_id: PREFIX.project + fn.projectId,
    name: fn.name,
    format: fn.format,
    size_bytes: fn.sizeBytes,
    sha256: fn.sha256,
    created_at: time(fn.createdAtMs),
  };
}

export function fromJobSummary(job: JobRecord): z.infer<typeof schema.jobSummary> {
  return {
    id: PREFIX.job + job.id,
    project_id: PREFIX.project + job.projectId,
    kind: job.task.kind,
    method: job.method,
    status: STATUS_WORDS[job.status],
    reason: job.reason === null ? null : { code: job.reason, message: job.reasonMessage ?? "" },
    base_model: job.baseModel,
    dataset_id: job.datasetId === "" ? null : PREFIX.dataset + job.datasetId,
    output_name: job.outputName,
    spec: fromSpec(job.spec),
    provider: job.provider,
    gpu: job.gpu,
    gpu_requested: job.spec.gpu,
    progress: job.progress,
    attempt: job.task.attempt,
    lost_in_a_row: job.lostInARow,
    pause_requested_at: timeOrNull(job.pauseRequestedAtMs),
    retry_of: job.retryOf === null ? null : PREFIX.job + job.retryOf,
    agent_id: job.task.agentId === null ? null : PREFIX.agent + job.task.agentId,
    created_at: time(job.createdAtMs),
    updated_at: time(job.updatedAtMs),
    started_at: timeOrNull(job.startedAtMs),
    completed_at: timeOrNull(job.completedAtMs),
  };
}

/** `model` is given when the job has completed. */
export function fromJob(job: JobRecord, model: ModelArchive | null): z.infer<typeof schema.job> {
  return {
    ...fromJobSummary(job),
    log_tail: job.logTail,
    checkpoint_sha256: model?.checkpoint.modelSha256 ?? null,
    model: model && {
      checkpoint_id: PREFIX.checkpoint + model.checkpoint.id,
      step: model.checkpoint.step,
      url: model.archiveUrl,
      expires_at: time(model.expiresAtMs),
    },
  };
}

function fromSpec(spec: JobRecord["spec"]): z.infer<typeof schema.jobSpec> {
  return {
    base_model: fromBaseModel(spec.base_model),
    hyperparameters: spec.hyperparameters,
    functions: spec.functions.map(({ id, weight }) => ({ id: functionId(id), weight })),
    gpu: spec.gpu,
    provider: spec.provider,
    max_cost_usd: spec.max_cost_usd ?? null,
    max_duration_seconds: spec.max_duration_seconds ?? null,
    hang_timeout_seconds: spec.hang_timeout_seconds ?? HANG_TIMEOUT_SECONDS[spec.method],
    eval: spec.eval
      ? {
          dataset_id: "dataset_id" in spec.eval ? PREFIX.dataset + spec.eval.dataset_id : null,
          split_percent: "split_percent" in spec.eval ? spec.eval.split_percent : null,
          every_steps: spec.eval.every_steps ?? null,
          every_epochs: spec.eval.every_epochs ?? null,
          metrics: spec.eval.metrics ?? [],
          at_start: spec.eval.at_start ?? false,
        }
      : null,
    preprocessed_by: spec.preprocessed_by === undefined ? null : PREFIX.job + spec.preprocessed_by,
    early_stop: spec.early_stop
      ? {
          metric: spec.early_stop.metric,
          patience: spec.early_stop.patience,
          min_delta: spec.early_stop.min_delta,
          window: spec.early_stop.metric === "reward" ? spec.early_stop.window : null,
        }
      : null,
    description: spec.description ?? null,
    downsample_percent: spec.downsample_percent ?? null,
    rebalance: spec.rebalance ?? null,
    test: spec.test
      ? {
          dataset_id: "dataset_id" in spec.test ? PREFIX.dataset + spec.test.dataset_id : null,
          split_percent: "split_percent" in spec.test ? spec.test.split_percent : null,
          functions: spec.test.functions.map(({ id }) => ({ id: functionId(id) })),
        }
      : null,
    serve: spec.serve === undefined ? null : { ...spec.serve, engine_id: PREFIX.engine + spec.serve.engine_id },
    lineage: spec.lineage ?? null,
  };
}

function fromBaseModel(ref: BaseModelRef): BaseModelRef {
  return ref.kind === "job" ? { ...ref, job_id: PREFIX.job + ref.job_id } : ref;
}

export function fromEvent(event: StreamEventPage["items"][number]): z.infer<typeof schema.event> {
  const { id, type, atMs, attempt, metadata } = event;
  return { id, event_type: type, timestamp: time(atMs), attempt, metadata };
}

export function fromMetrics(answer: MetricsAnswer): z.infer<typeof schema.metrics> {
  return { metrics: answer.points, available_keys: answer.availableKeys, latest_step: answer.latestStep };
}

export function fromCheckpoint(checkpoint: CheckpointRecord): z.infer<typeof schema.checkpoint> {
  return {
    id: PREFIX.checkpoint + checkpoint.id,
    job_id: PREFIX.job + checkpoint.jobId,
    attempt: checkpoint.attempt,
    kind: checkpoint.kind,
    step: checkpoint.step,
    epoch: checkpoint.epoch,
    ordinal: checkpoint.ordinal,
    state: checkpoint.state,
    size_bytes: checkpoint.sizeBytes,
    model_sha256: checkpoint.kind === "test" ? null : checkpoint.modelSha256,
    results: checkpoint.results,
    created_at: time(checkpoint.createdAtMs),
  };
}

export function fromCheckpointDetail({ checkpoint, files }: CheckpointDetail): z.infer<typeof schema.checkpointDetail> {
  return {
    ...fromCheckpoint(checkpoint),
    files: files.map(({ role, path, sizeBytes, sha256, url }) => ({ role, path, size_bytes: sizeBytes, sha256, url })),
  };
}

export function fromModel(model: ModelDownload): z.infer<typeof schema.model> {
  return {
    job_id: PREFIX.job + model.checkpoint.jobId,
    checkpoint_id: PREFIX.checkpoint + model.checkpoint.id,
    sha256: model.checkpoint.modelSha256 ?? "",
    url: model.archiveUrl,
    files: model.files.map(({ path, sizeBytes, url }) => ({ path, size_bytes: sizeBytes, url })),
    expires_at: time(model.expiresAtMs),
  };
}

export function fromAgent({ id, info, createdAtMs, revokedAtMs }: AgentRecord): z.infer<typeof schema.agent> {
  return {
    id: PREFIX.agent + id,
    name: info.name,
    agent_version: info.agent_version,
    gpus: info.gpus,
    cpu_count: info.cpu_count,
    memory_bytes: info.memory_bytes,
    driver: info.driver,
    cuda_probe: info.cuda_probe,
    isolation: info.isolation,
    slots: info.slots,
    created_at: time(createdAtMs),
    revoked_at: timeOrNull(revokedAtMs),
  };
}

export function fromToken(token: BootstrapTokenRecord): z.infer<typeof schema.token> {
  return {
    id: PREFIX.token + token.id,
    reusable: token.reusable,
    agent_id: token.agentId === null ? null : PREFIX.agent + token.agentId,
    created_at: time(token.createdAtMs),
    expires_at: time(token.expiresAtMs),
  };
}

export function fromNewToken(made: { record: BootstrapTokenRecord; token: string }): z.infer<typeof schema.newToken> {
  return { ...fromToken(made.record), token: made.token };
}
