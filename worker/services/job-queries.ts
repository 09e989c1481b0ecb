/** Reading jobs. History, metrics and the stream are the object's. */
import type { Principal } from "../domain/accounts";
import type { CheckpointRecord } from "../domain/artifacts";
import { notFound } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type {
  CheckpointStore,
  DatasetStore,
  EventsPage,
  FunctionStore,
  JobDoors,
  JobFilter,
  JobStore,
  MetricsAnswer,
  MetricsQuery,
  Page,
  PageRequest,
  SpecStore,
  StreamEventPage,
  StreamRequest,
} from "../domain/ports";
import { functionNames } from "./job-functions";
import type { JobNames } from "./services";

export interface QueryPorts {
  jobs: JobStore;
  checkpoints: CheckpointStore;
  doors: JobDoors;
}

export async function getJob(ports: QueryPorts, principal: Principal, id: string | null): Promise<JobRecord> {
  const job = await getTask(ports, principal, id);
  if (job.task.kind !== "train") throw notFound("job");
  return job;
}

/** Of any kind. */
export async function getTask(ports: QueryPorts, principal: Principal, id: string | null): Promise<JobRecord> {
  const job = id === null ? null : await ports.jobs.get(principal.accountId, id);
  if (!job) throw notFound("job");
  return job;
}

export async function newestSuccess(
  ports: { jobs: JobStore },
  { accountId, projectId }: Principal,
  name: string,
): Promise<JobRecord | null> {
  return ports.jobs.newestSuccess(accountId, projectId, name);
}

export async function nextJobName(
  ports: { jobs: JobStore },
  { accountId, projectId }: Principal,
  stem: string,
): Promise<string> {
  return `${stem}-${String((await ports.jobs.highestNumber(accountId, projectId, `${stem}-`)) + 1)}`;
}

/** In two reads, whatever the number of jobs. */
export async function jobNames(
  ports: { datasets: DatasetStore; functions: FunctionStore },
  principal: Principal,
  jobs: JobRecord[],
): Promise<JobNames> {
  const datasetIds = jobs.flatMap(({ datasetId, spec: { test } }) =>
    test && "dataset_id" in test ? [datasetId, test.dataset_id] : [datasetId],
  );
  const functionIds = jobs.flatMap(({ spec }) =>
    [...spec.functions, ...(spec.test?.functions ?? [])].map(({ id }) => id),
  );
  const [datasets, functions] = await Promise.all([
    ports.datasets.byIds(principal.accountId, [...new Set(datasetIds)]),
    functionNames(ports, principal, functionIds),
  ]);
  return { datasets: new Map(datasets.map((dataset) => [dataset.id, dataset])), functions };
}

export async function wholeJob({ specs }: { specs: SpecStore }, job: JobRecord): Promise<JobRecord> {
  return { ...job, spec: await specs.read(job) };
}

export async function listJobs(
  ports: QueryPorts,
  principal: Principal,
  filter: JobFilter,
  page: PageRequest,
): Promise<Page<JobRecord>> {
  return ports.jobs.list(principal.accountId, filter, page);
}

export async function jobEvents(ports: QueryPorts, job: JobRecord, page: EventsPage): Promise<StreamEventPage> {
  return ports.doors.of(job.id).events(page);
}

export async function jobMetrics(ports: QueryPorts, job: JobRecord, query: MetricsQuery): Promise<MetricsAnswer> {
  return ports.doors.of(job.id).metrics(query);
}

export async function trainingLoss(
  ports: QueryPorts,
  job: JobRecord,
  maxPoints: number,
): Promise<{ tsMs: number; loss: number }[]> {
  const everySteps = job.spec.hyperparameters.logging_steps ?? 1;
  const query = { keys: ["loss"], maxPoints, everySteps, withTimes: true };
  const { points } = await ports.doors.of(job.id).metrics(query);
  return points.flatMap(({ tsMs, values }) => {
    const loss = values["loss"];
    return loss === undefined || tsMs === undefined ? [] : [{ tsMs, loss }];
  });
}

export async function jobStream(ports: QueryPorts, job: JobRecord, request: StreamRequest): Promise<Response> {
  return ports.doors.of(job.id).stream(request);
}

export async function listCheckpoints(
  ports: QueryPorts,
  job: JobRecord,
  page: PageRequest,
): Promise<Page<CheckpointRecord>> {
  return ports.checkpoints.list(job.id, page);
}
