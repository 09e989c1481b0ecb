/** A base model that is another job's: it must have the checkpoint, and the new job remembers where it came from. */
import type { BaseModelRef, Lineage, Method } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { CheckpointRecord } from "../domain/artifacts";
import { baseMisfit } from "../domain/catalogue";
import { DomainError, invalid } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { CheckpointStore, JobStore } from "../domain/ports";

export interface BaseJobPorts {
  jobs: JobStore;
  checkpoints: CheckpointStore;
}

export interface BaseJob {
  job: JobRecord;
  lineage: Lineage;
}

/** null for a base that is no job's. `job_<id>[@ordinal]` must name a job of the account that has such a checkpoint. */
export async function baseJob(ports: BaseJobPorts, principal: Principal, base: BaseModelRef): Promise<BaseJob | null> {
  if (base.kind !== "job") return null;
  const job = await ports.jobs.get(principal.accountId, base.job_id);
  if (!job) throw new DomainError("not_found", "the base model's job was not found", { field: "base_model" });
  if (job.task.kind === "preprocess") {
    throw invalid("base_model", "names a preprocess task, which has tokenised data and no model");
  }
  const checkpoint = await wanted(ports, job, base.ordinal);
  if (checkpoint?.state !== "committed" || checkpoint.ordinal === null) throw noCheckpoint(job, base.ordinal);
  const root = job.spec.lineage?.root ?? job.baseModel;
  return { job, lineage: { root, job_name: job.outputName, ordinal: checkpoint.ordinal } };
}

/** Why `method` cannot begin from this base; `earlier` is the job that a `job_` base names. */
export function misfitOf(method: Method, base: BaseModelRef, earlier: JobRecord | null): string | null {
  // An imported model is what it was where it came from.
  if (earlier?.task.kind === "import") return baseMisfit(method, earlier.spec.base_model, null);
  return baseMisfit(method, base, earlier?.method ?? null);
}

async function wanted(
  { checkpoints }: BaseJobPorts,
  job: JobRecord,
  ordinal: number | undefined,
): Promise<CheckpointRecord | null> {
  if (ordinal !== undefined) return checkpoints.byOrdinal(job.id, ordinal);
  return job.finalCheckpointId === null ? null : checkpoints.get(job.id, job.finalCheckpointId);
}

function noCheckpoint(job: JobRecord, ordinal: number | undefined): DomainError {
  const which = ordinal === undefined ? "final checkpoint" : `checkpoint ${String(ordinal)}`;
  return new DomainError("invalid_request", `the job has no ${which}; it is ${job.status}`, {
    field: "base_model",
    facts: { missingCheckpoint: true },
  });
}
