/** Emissary's words for Anneal's domain, both ways. Pure, and total over the domain's statuses and methods. */
import type { Method } from "../../../protocol";
import type { z } from "@hono/zod-openapi";
import type { ProjectRecord } from "../../domain/accounts";
import type { DatasetRecord } from "../../domain/artifacts";
import type { CatalogueModel } from "../../domain/catalogue";
import type { JobRecord } from "../../domain/job";
import type { JobStatus } from "../../domain/job-state";
import type { JobNames, TestedCheckpoint } from "../../services/services";
import { fromTraining, templateOf } from "./parameters";
import { PREFIX, type EmissaryStatus, type TaskType, type Technique } from "./schema";
import type * as schema from "./schema";

export function statusWord(status: JobStatus): EmissaryStatus {
  switch (status) {
    case "queued":
    case "paused":
    case "provisioning":
      return "Pending";
    case "running":
      return "Running";
    case "testing":
      return "Testing";
    case "completed":
      return "Success";
    case "failed":
      return "Failed";
    case "timed_out":
      return "TimedOut";
    case "cancelled":
      return "Cancelled";
  }
}

export function techniqueWord(method: Method): Technique {
  return method === "grpo" ? "GRPO" : "SFT";
}

export function taskWord(method: Method): TaskType {
  switch (method) {
    case "sft_text":
    case "grpo":
      return "text-generation";
    case "classification":
    case "regression":
    case "embedding":
      return method;
  }
}

/** null: the contract has no such training. */
export function methodOf(technique: Technique, task: TaskType): Method | null {
  if (technique === "GRPO") return task === "text-generation" ? "grpo" : null;
  return task === "text-generation" ? "sft_text" : task;
}

export function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

/** Nobody's name is kept with a record: its account stands for whoever made it. */
function user(accountId: string): string {
  return `user-${accountId}`;
}

export function fromModel(model: CatalogueModel, method: Method): z.input<typeof schema.baseModel> {
  return {
    name: model.name,
    type: model.type,
    parameter_template: { ...templateOf(model, method) },
    support_serverless: model.supportServerless,
  };
}

export function fromProject({ id, name }: ProjectRecord): z.input<typeof schema.project> {
  return { id: PREFIX.project + id, name };
}

export function fromDataset(dataset: DatasetRecord): z.input<typeof schema.dataset> {
  return {
    id: PREFIX.dataset + dataset.id,
    name: dataset.name,
    created_at: seconds(dataset.createdAtMs),
    is_uploaded: true,
  };
}

export function fromDatasetDetail(dataset: DatasetRecord, url: string): z.input<typeof schema.datasetDetail> {
  return {
    id: PREFIX.dataset + dataset.id,
    name: dataset.name,
    is_uploaded: true,
    dataset_download_url: url,
    upload_by: user(dataset.accountId),
    created_at: seconds(dataset.createdAtMs),
    // Its bytes never change.
    updated_at: seconds(dataset.createdAtMs),
  };
}

export function fromJob(job: JobRecord, progress: number, names: JobNames): z.input<typeof schema.trainingJob> {
  const dataset = names.datasets.get(job.datasetId);
  return {
    ...jobHead(job, progress, names),
    ...(dataset ? { train_dataset_name: dataset.name } : {}),
    ...jobTail(job),
  };
}

export function fromJobDetail(
  job: JobRecord,
  progress: number,
  names: JobNames,
  loss: { tsMs: number; loss: number }[],
): z.input<typeof schema.trainingJobDetail> {
  const { test } = job.spec;
  const trained = names.datasets.get(job.datasetId);
  const tested = test && "dataset_id" in test ? names.datasets.get(test.dataset_id) : undefined;
  return {
    ...jobHead(job, progress, names),
    ...(trained ? { train_dataset: fromDataset(trained) } : {}),
    ...(tested ? { test_dataset: fromDataset(tested) } : {}),
    training_loss: loss.map((point) => ({ timestamp: point.tsMs / 1000, loss: point.loss })),
    hyper_parameters: fromTraining(job.spec),
    ...jobTail(job),
  };
}

function jobHead(job: JobRecord, progress: number, names: JobNames) {
  const { spec } = job;
  const nameOf = ({ id }: { id: string }) => names.functions.get(id) ?? id;
  const tested = [...new Set([...spec.functions, ...(spec.test?.functions ?? [])].map(nameOf))];
  return {
    id: PREFIX.job + job.id,
    name: job.outputName,
    training_technique: techniqueWord(job.method),
    task_type: taskWord(job.method),
    ...baseWords(job),
    ...(tested.length > 0 ? { test_functions: tested } : {}),
    ...(spec.method === "grpo"
      ? { reward: Object.fromEntries(spec.functions.map((fn) => [nameOf(fn), fn.weight])) }
      : {}),
    status: statusWord(job.status),
    progress,
  };
}

function baseWords({ baseModel, spec: { lineage } }: JobRecord) {
  if (!lineage) return { base_model_option: "pre-trained" as const, base_model: baseModel };
  return {
    base_model_option: "fine-tuned" as const,
    base_model: lineage.root,
    base_fine_tuned_model: lineage.job_name,
    base_fine_tuned_model_checkpoint: lineage.ordinal,
  };
}

function jobTail(job: JobRecord) {
  return {
    created_by: user(job.accountId),
    created_at: seconds(job.createdAtMs),
    updated_at: seconds(job.updatedAtMs),
  };
}

/** Enough digits to tell models apart, and none that only arithmetic has made. */
const MEAN_DIGITS = 6;

export function fromCheckpoint({ checkpoint, modelUrl, test }: TestedCheckpoint): z.input<typeof schema.checkpoint> {
  return {
    checkpoint: checkpoint.ordinal ?? 0,
    model_download_url: modelUrl,
    ...(test
      ? {
          test_results: {
            general_test_result: test.resultsUrl,
            aggregated_test_result: Object.fromEntries(
              Object.entries(test.results).map(([name, mean]) => [name, String(Number(mean.toPrecision(MEAN_DIGITS)))]),
            ),
          },
        }
      : {}),
    created_at: seconds(checkpoint.createdAtMs),
    updated_at: seconds(checkpoint.createdAtMs),
  };
}
