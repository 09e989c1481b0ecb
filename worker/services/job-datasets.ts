/** The datasets that a job's request names: the account's own, and fit for what is asked of them. */
import type { Method } from "../../protocol";
import type { Principal } from "../domain/accounts";
import type { DatasetRecord } from "../domain/artifacts";
import { formatFits } from "../domain/dataset-fit";
import { DomainError, invalid } from "../domain/errors";
import type { DatasetStore } from "../domain/ports";
import type { JobRequest } from "./services";

export interface JobDatasets {
  train: DatasetRecord;
  eval: DatasetRecord | null;
  test: DatasetRecord | null;
}

export async function jobDatasets(
  ports: { datasets: DatasetStore },
  principal: Principal,
  method: Method,
  request: JobRequest,
): Promise<JobDatasets> {
  const fitting = async (id: string | null, field: string): Promise<DatasetRecord> => {
    const dataset = id === null ? null : await ports.datasets.get(principal.accountId, id);
    if (!dataset) throw new DomainError("not_found", "dataset not found", { field });
    if (request.ownProjectOnly && dataset.projectId !== principal.projectId) {
      throw invalid(field, "is a dataset of another project");
    }
    const misfit = formatFits(method, dataset);
    if (misfit !== null) throw new DomainError("dataset_format_incompatible", misfit, { field });
    return dataset;
  };
  const optional = async (id: string | null | undefined, field: string): Promise<DatasetRecord | null> =>
    id === undefined ? null : fitting(id, field);
  const [train, evaluated, tested] = await Promise.all([
    fitting(request.datasetId, "dataset_id"),
    optional(request.eval?.datasetId, "eval.dataset_id"),
    optional(request.test?.datasetId, "test.dataset_id"),
  ]);
  return { train, eval: evaluated, test: tested };
}
