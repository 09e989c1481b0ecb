/** The record that a path names: asked for together with the key, and 404 when it is not there or another's. */
import type { ProjectRecord } from "../../domain/accounts";
import type { DatasetRecord, FunctionRecord } from "../../domain/artifacts";
import { notFound } from "../../domain/errors";
import { parseId } from "../../domain/ids";
import type { JobRecord } from "../../domain/job";
import type { FirstRead, FirstReadResult } from "../../domain/ports";
import type { UploadRecord } from "../../domain/uploads";
import { PREFIX } from "./schema";

function reading(kind: "job" | "dataset" | "function" | "upload" | "project", prefix: string) {
  return (params: Record<string, string>): FirstRead => {
    const id = parseId(prefix, params["id"] ?? "");
    return id === null ? { kind: "none" } : { kind, id };
  };
}

export const readJob = reading("job", PREFIX.job);
export const readDataset = reading("dataset", PREFIX.dataset);
export const readFunction = reading("function", PREFIX.fn);
export const readProject = reading("project", PREFIX.project);
export const readUpload = reading("upload", PREFIX.upload);

export function jobOf({ first }: { first: FirstReadResult }): JobRecord {
  if (!first.job) throw notFound("job");
  return first.job;
}

export function datasetOf({ first }: { first: FirstReadResult }): DatasetRecord {
  if (!first.dataset) throw notFound("dataset");
  return first.dataset;
}

export function functionOf({ first }: { first: FirstReadResult }): FunctionRecord {
  if (!first.fn) throw notFound("function");
  return first.fn;
}

export function uploadOf({ first }: { first: FirstReadResult }): UploadRecord {
  if (!first.upload) throw notFound("upload");
  return first.upload;
}

export function projectOf({ first }: { first: FirstReadResult }): ProjectRecord {
  if (!first.project) throw notFound("project");
  return first.project;
}
