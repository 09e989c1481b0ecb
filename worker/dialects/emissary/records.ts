/** What a path names: read together with the key, and 404 when it is not there, another's, or of another project. */
import type { Principal, ProjectRecord } from "../../domain/accounts";
import type { DatasetRecord } from "../../domain/artifacts";
import type { EngineRecord, ServedModel } from "../../domain/engines";
import { notFound } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRecord } from "../../domain/job";
import type { FirstReadResult } from "../../domain/ports";
import { found, readById } from "../../http/first-reads";
import { PREFIX } from "./schema";

export const readProject = readById("project", PREFIX.project, "project_id");
export const readDataset = readById("dataset", PREFIX.dataset, "dataset_id");
export const readJob = readById("job", PREFIX.job, "training_job_id");
export const readEngine = readById("engine", PREFIX.engine, "engine_id");
export const readDeployment = readById("deployment", PREFIX.deployment, "deployment_id");

interface Read {
  first: FirstReadResult;
  params: { project_id: string };
}

export function projectOf({ first }: Pick<Read, "first">): ProjectRecord {
  return found(first.project, "project");
}

/** Whoever has the dataset has its project: no second read is needed. */
export function datasetOf({ first, params }: Read): DatasetRecord {
  return inProject(found(first.dataset, "dataset"), params, "dataset");
}

export function jobOf({ first, params }: Read): JobRecord {
  return inProject(found(first.job, "training job"), params, "training job");
}

/** Engines are the account's. */
export function engineOf({ first }: Pick<Read, "first">): EngineRecord {
  return found(first.engine, "engine");
}

export function deploymentOf({ first, params }: Read): ServedModel {
  const served = found(first.served, "deployment");
  inProject(served.deployment, params, "deployment");
  return served;
}

function inProject<T extends { projectId: string }>(record: T, params: { project_id: string }, what: string): T {
  if (record.projectId !== parseId(PREFIX.project, params.project_id)) throw notFound(what);
  return record;
}

/** The caller, with the path's project in place of the key's own. */
export function principalIn(principal: Principal, project: ProjectRecord): Principal {
  return { ...principal, projectId: project.id };
}
