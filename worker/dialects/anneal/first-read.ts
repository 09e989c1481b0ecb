/** The record that a path names: asked for together with the key, and 404 when it is not there or another's. */
import type { ProjectRecord } from "../../domain/accounts";
import type { DatasetRecord, FunctionRecord } from "../../domain/artifacts";
import type { EngineRecord, ServedModel } from "../../domain/engines";
import type { JobRecord } from "../../domain/job";
import type { FirstReadResult } from "../../domain/ports";
import type { UploadRecord } from "../../domain/uploads";
import { found, readById } from "../../http/first-reads";
import { PREFIX } from "./schema";

/** Of any kind: what holds for jobs that train holds for those that preprocess or import. */
export const readJob = readById("task", PREFIX.job);
export const readDataset = readById("dataset", PREFIX.dataset);
export const readFunction = readById("function", PREFIX.fn);
export const readProject = readById("project", PREFIX.project);
export const readUpload = readById("upload", PREFIX.upload);
export const readEngine = readById("engine", PREFIX.engine);
export const readDeployment = readById("deployment", PREFIX.deployment);

interface Read {
  first: FirstReadResult;
}

export function jobOf({ first }: Read): JobRecord {
  return found(first.job, "job");
}

export function datasetOf({ first }: Read): DatasetRecord {
  return found(first.dataset, "dataset");
}

export function functionOf({ first }: Read): FunctionRecord {
  return found(first.fn, "function");
}

export function uploadOf({ first }: Read): UploadRecord {
  return found(first.upload, "upload");
}

export function projectOf({ first }: Read): ProjectRecord {
  return found(first.project, "project");
}

export function engineOf({ first }: Read): EngineRecord {
  return found(first.engine, "engine");
}

export function servedOf({ first }: Read): ServedModel {
  return found(first.served, "deployment");
}
