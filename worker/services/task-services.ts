/** What is read of a task of any kind, beyond what is read of a job to be trained. */
import type { Principal } from "../domain/accounts";
import type { JobRecord } from "../domain/job";
import type { DownloadRequest } from "./download-blob";

export interface EvalResults {
  /** Of the evaluation before the first step; null when there was none. */
  initial: Record<string, number> | null;
  /** The others, in the order of their steps. */
  tests: { epoch: number; step: number; metrics: Record<string, number> }[];
}

export interface TrainingInfo {
  step: number;
  totalSteps: number;
  epoch: number;
  /** Of the last step that told any. */
  metrics: Record<string, number>;
}

/** The archives that a completed task leaves: `cache` of a preprocess task, `tokenizer` of an import. */
export type TaskArtifactRole = "model" | "tokenizer" | "cache";

export interface ArtifactUrl {
  /** Signed, absolute, with Range. */
  url: string;
  sizeBytes: number;
  sha256: string;
  expiresAtMs: number;
}

export interface TaskServices {
  /** As `getJob`, of any kind. */
  getTask(principal: Principal, id: string | null): Promise<JobRecord>;
  /** What its evaluations have shown so far. */
  evalResults(job: JobRecord): Promise<EvalResults>;
  /** null until its trainer has told anything. */
  trainingInfo(job: JobRecord): Promise<TrainingInfo | null>;
  /**
   * Streams a file of the final checkpoint, as `download` does. Throws `invalid_request` before the task has completed,
   * `not_found` for a role that its kind does not leave, `conflict` when the checkpoint has proved bad.
   */
  artifactResponse(
    job: JobRecord,
    role: TaskArtifactRole,
    filename: string,
    request: DownloadRequest,
  ): Promise<Response>;
  /** Throws as `artifactResponse` does. */
  artifactUrl(job: JobRecord, role: TaskArtifactRole, filename: string, origin: string): Promise<ArtifactUrl>;
}
