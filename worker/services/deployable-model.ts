/** What a deployment names, found: the job, its checkpoint, and the base model that an engine for it has. */
import type { BaseModelRef, ServeTask } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { CheckpointRecord } from "../domain/artifacts";
import { parseBaseModel } from "../domain/base-model";
import { modelOf } from "../domain/catalogue";
import type { DeployedModel } from "../domain/deployed-model";
import { checkpointName, shortModelName } from "../domain/engine-names";
import { serveTaskOf, type DeploymentRecord } from "../domain/engines";
import { DomainError, invalid } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, DatasetStore, JobStore, Settings } from "../domain/ports";

export interface DeployablePorts {
  jobs: JobStore;
  checkpoints: CheckpointStore;
  datasets: DatasetStore;
  settings: Settings;
}

export interface Deployable extends Pick<
  DeploymentRecord,
  "taskType" | "baseModel" | "jobId" | "checkpoint" | "checkpointId" | "labels"
> {
  base: BaseModelRef;
  /** For a deployment that nobody has named, and for its engine. */
  names: { deployment: string; engine: string };
}

/** Errors name `model` and `checkpoint`. `engineTask`: what the engine serves for which it is meant, if there is one. */
export async function deployableModel(
  ports: DeployablePorts,
  principal: Principal,
  model: DeployedModel,
  engineTask: ServeTask | null = null,
): Promise<Deployable> {
  if ("baseModel" in model) {
    const base = parseBase(ports, model.baseModel);
    return bareBase(model.baseModel, base, engineTask ?? taskOfBase(base), null);
  }
  const { jobId, checkpoint } = model;
  const job = jobId === null ? null : await ports.jobs.get(principal.accountId, jobId);
  if (!job) throw new DomainError("not_found", "the job was not found", { field: "model" });
  if (job.task.kind !== "train" && job.task.kind !== "import") {
    throw invalid("model", `a task of kind ${job.task.kind} has no model`);
  }
  const baseModel = job.spec.lineage?.root ?? job.baseModel;
  const base = parseBaseModel(baseModel, { allowPaths: true });
  if (checkpoint === 0) return bareBase(baseModel, base, serveTaskOf(job.method), job);
  const found = await committed(ports, job, checkpoint);
  const ordinal = found.ordinal ?? 0;
  return {
    ...{ taskType: serveTaskOf(job.method), baseModel, base },
    ...{ jobId: job.id, checkpoint: ordinal, checkpointId: found.id, labels: await labelsOf(ports, job) },
    names: { deployment: checkpointName(job.outputName, ordinal), engine: `${job.outputName}-engine` },
  };
}

/** A base model that is named: a path only where the agent is the caller's own machine. */
export function parseBase({ settings }: { settings: Settings }, baseModel: string): BaseModelRef {
  const base = parseBaseModel(baseModel, { allowPaths: settings.dev });
  if (base.kind !== "job") return base;
  throw invalid(
    "base_model",
    "names a job: an engine has a model that was not trained here, and a job's is deployed on it",
  );
}

/** What the catalogue says of it. */
export function taskOfBase(base: BaseModelRef): ServeTask {
  const type = modelOf(base)?.type;
  if (type === "embeddings") return "embedding";
  return type === "classification" ? "classification" : "text-generation";
}

/** A model whose head was never trained tells no classes apart. `job`: the one whose checkpoint 0 it is. */
function bareBase(baseModel: string, base: BaseModelRef, taskType: ServeTask, job: JobRecord | null): Deployable {
  if (taskType !== "text-generation" && taskType !== "embedding") {
    throw invalid(
      job ? "checkpoint" : "model",
      `${baseModel} has no head for ${taskType} before it is trained: deploy a job's checkpoint`,
    );
  }
  const short = shortModelName(baseModel);
  return {
    ...{ taskType, baseModel, base, jobId: job?.id ?? null, checkpoint: 0, checkpointId: null, labels: null },
    names: job
      ? { deployment: checkpointName(job.outputName, 0), engine: `${job.outputName}-engine` }
      : { deployment: `${short}-base`, engine: `${short}-engine` },
  };
}

async function committed(
  { checkpoints }: DeployablePorts,
  job: JobRecord,
  ordinal: number | null,
): Promise<CheckpointRecord> {
  const all = await checkpoints.withOrdinals(job.id);
  const there = all.filter(({ state }) => state === "committed");
  const found = there.find(({ id, ordinal: n }) => (ordinal === null ? id === job.finalCheckpointId : n === ordinal));
  if (found) return found;
  const those = there.map(({ ordinal: n }) => String(n)).join(", ");
  const which = ordinal === null ? "final checkpoint" : `checkpoint ${String(ordinal)}`;
  throw invalid(
    "checkpoint",
    `the job has no ${which}; it has ${those === "" ? "none" : those}, and 0 is its base model`,
  );
}

/** Until an agent tells them in the order of the model's outputs. A binary dataset's are not its labels' names. */
async function labelsOf({ datasets }: DeployablePorts, job: JobRecord): Promise<string[] | null> {
  if (job.method !== "classification" || job.datasetId === "") return null;
  const labels = (await datasets.get(job.accountId, job.datasetId))?.profile?.labels;
  return labels === undefined || labels.kind === "binary" ? null : Object.keys(labels.counts);
}
