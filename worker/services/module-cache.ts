/** `cache_dir`: a name under which what was preprocessed is found again, by other sessions too. */
import { DomainError } from "../domain/errors";
import type { FilledModuleConfig } from "../domain/module-config";
import type { ModuleSession } from "../domain/module-sessions";
import type { JobRecord } from "../domain/job";
import type { DatasetStore, JobStore } from "../domain/ports";

const DIGEST_CHARS = 32;

/**
 * The output name of the task that makes the cache: of the directory, and of all that its content follows from. The same
 * rows uploaded again are the same content; what only training reads (rates, epochs, metrics) is not part of it.
 */
export async function contentName(
  ports: { datasets: DatasetStore; sha256Hex: (text: string) => Promise<string> },
  session: ModuleSession,
  { cacheDir, taskType }: FilledModuleConfig,
  baseModel: string,
): Promise<string> {
  if (cacheDir === null) return `training-module-${session.id}`;
  const ids = [session.trainDatasetId, session.testDatasetId].filter((id) => id !== null);
  const found = await ports.datasets.byIds(session.accountId, ids);
  const digests = ids.map((id) => {
    const dataset = found.find((record) => record.id === id);
    if (!dataset) throw new DomainError("conflict", "the session's data was deleted; POST /upload_dataset/{key} again");
    return dataset.sha256;
  });
  const content = await ports.sha256Hex(JSON.stringify([taskType, baseModel, ...digests]));
  return `${cacheDir}@${content.slice(0, DIGEST_CHARS)}`;
}

interface CachedTask {
  job: JobRecord;
  /** What the cache was made of: the session's own bytes under the ids that the task knows. */
  data: Pick<ModuleSession, "trainDatasetId" | "testDatasetId">;
}

/** The newest that was made under this name; null where none shall be used, or its data was deleted since. */
export async function cachedTask(
  ports: { jobs: JobStore; datasets: DatasetStore },
  { accountId, projectId }: ModuleSession,
  { cacheDir, overwriteCache }: FilledModuleConfig,
  outputName: string,
): Promise<CachedTask | null> {
  if (cacheDir === null || overwriteCache) return null;
  const job = await ports.jobs.newestSuccess(accountId, projectId, outputName, "preprocess");
  if (!job) return null;
  const { eval: tested } = job.spec;
  const testDatasetId = tested && "dataset_id" in tested ? tested.dataset_id : null;
  const ids = [job.datasetId, testDatasetId].filter((id) => id !== null);
  const found = await ports.datasets.byIds(accountId, ids);
  return found.length < ids.length ? null : { job, data: { trainDatasetId: job.datasetId, testDatasetId } };
}
