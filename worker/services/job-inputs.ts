/** What a job was made of may have been deleted since. */
import { SHARED_FUNCTION_PREFIX, type JobSpec } from "../../protocol";
import { DomainError } from "../domain/errors";
import type { DatasetStore, FunctionStore, JobStore } from "../domain/ports";

export interface InputPorts {
  datasets: DatasetStore;
  functions: FunctionStore;
  jobs: JobStore;
}

/** Throws `conflict` naming what is gone. */
export async function checkInputs(ports: InputPorts, accountId: string, spec: JobSpec): Promise<void> {
  const { eval: evaluation, test, base_model: base } = spec;
  const datasets = [
    // An import has none.
    spec.dataset_id || null,
    ...[evaluation, test].map((of) => (of && "dataset_id" in of ? of.dataset_id : null)),
  ];
  for (const id of datasets) {
    if (id !== null && !(await ports.datasets.get(accountId, id))) throw gone(`dataset ds_${id}`);
  }
  for (const { id } of [...spec.functions, ...(test?.functions ?? [])]) {
    if (id.startsWith(SHARED_FUNCTION_PREFIX)) continue;
    if (!(await ports.functions.get(accountId, id))) throw gone(`function rf_${id}`);
  }
  if (base.kind === "job" && !(await ports.jobs.get(accountId, base.job_id))) throw gone(`base job job_${base.job_id}`);
}

function gone(what: string): DomainError {
  return new DomainError("conflict", `the job cannot be tried again: its ${what} was deleted`);
}
