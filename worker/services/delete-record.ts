/**
 * Deleting: marked at once, so that nobody sees it from then on; the sweep comes for the bytes. What a job needs that has
 * not ended stays, and the refusal names that job.
 */
import type { Principal, ProjectRecord } from "../domain/accounts";
import type { DatasetRecord, FunctionRecord } from "../domain/artifacts";
import type { Deletable, DeletionStore } from "../domain/deletion-ports";
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type { Clock } from "../domain/ports";

export interface DeletePorts {
  deletions: DeletionStore;
  clock: Clock;
}

export async function deleteDataset(ports: DeletePorts, { accountId, id }: DatasetRecord): Promise<void> {
  await deleteUnused(ports, { kind: "dataset", accountId, id });
}

export async function deleteFunction(ports: DeletePorts, { accountId, id }: FunctionRecord): Promise<void> {
  await deleteUnused(ports, { kind: "function", accountId, id });
}

/** The second is for a job that came and ended between the first look and its mark. */
const TRIES = 2;

/** With its checkpoints, its history and its logs. */
export async function deleteJob(ports: DeletePorts, { accountId, id }: JobRecord): Promise<void> {
  await deleteUnused(ports, { kind: "job", accountId, id });
}

/** With its datasets, jobs and functions. */
export async function deleteProject(
  ports: DeletePorts,
  { accountId }: Principal,
  { id }: ProjectRecord,
): Promise<void> {
  const key = await ports.deletions.liveKey(id);
  if (key !== null) {
    throw new DomainError("conflict", `the project is the default of the API key '${key}': revoke that key first`);
  }
  await deleteUnused(ports, { kind: "project", accountId, id });
}

async function deleteUnused({ deletions, clock }: DeletePorts, what: Deletable): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    // First, since an engine's tasks are jobs too, which end with it alone.
    const server = await deletions.server(what);
    if (server !== null) throw isServed(what, server);
    const user = await deletions.liveUser(what);
    if (user !== null) throw inUse(what, user);
    if (await deletions.mark(what, clock.nowMs())) return;
    // Somebody was quicker: a new job, which the next look finds unless it has ended too, or another who deletes.
  }
}

const WHY: Record<Deletable["kind"], string> = {
  dataset: "a job that has not ended uses the dataset",
  function: "a job that has not ended uses the function",
  job: "a job that has not ended begins from this one",
  project: "a job that has not ended is in the project or uses what is in it",
};

function isServed({ kind }: Deletable, server: { kind: string; name: string }): DomainError {
  const where = kind === "project" ? "is in the project or serves a model of it" : "serves the job's model";
  return new DomainError("conflict", `the ${server.kind} '${server.name}' ${where}: delete it first`);
}

/** Edges show the id in their own form: `facts.job_id` is bare. */
function inUse({ kind, id }: Deletable, jobId: string): DomainError {
  const why = kind === "job" && jobId === id ? "the job has not ended" : WHY[kind];
  const message = `${why}: cancel job_${jobId}, or wait for its end`;
  return new DomainError("conflict", message, { facts: { job_id: jobId } });
}
