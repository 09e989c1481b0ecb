/**
 * Engines and deployments: what is served. An engine has one base model and serve tasks that agents lease; a deployment is
 * a model on it, by the name that requests say. An engine's status is D1's, written by its object alone (engine door);
 * what a deployment is at the moment follows from its own row and its engine's, so that one write changes all of them.
 */
import type { BaseModelRef, GpuRequest, Method, ServeTask } from "../../protocol";

/** `inactive`: no agent is held, and nothing costs; `starting`: its serve tasks are there, no agent is ready yet. */
export const ENGINE_STATUSES = ["inactive", "starting", "active"] as const;
export type EngineStatus = (typeof ENGINE_STATUSES)[number];

export const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** Hours are the zone's own, so that they stay over a change of daylight time. */
export interface EngineSchedule {
  kind: "schedule";
  /** IANA. */
  timezone: string;
  /** `HH:MM`; an end before the start is on the next day. */
  startTime: string;
  endTime: string;
  /** On which a time of service begins. */
  days: Weekday[];
}

export type EngineManagement =
  /** Until somebody deactivates it. */
  { kind: "none" } | { kind: "inactive_timeout"; seconds: number } | EngineSchedule;

export const DEFAULT_INACTIVE_SECONDS = 3600;
export const MAX_REPLICAS = 16;

export interface EngineRecord {
  id: string;
  accountId: string;
  projectId: string;
  /** One of its kind among the account's. */
  name: string;
  /** As the client wrote it. */
  baseModel: string;
  base: BaseModelRef;
  taskType: ServeTask;
  gpu: GpuRequest;
  provider: string | null;
  management: EngineManagement;
  /** How many agents serve it when it is active. */
  replicas: number;
  /** Made by the first call of a catalogue model by its own name; one for each account and model. */
  isServerless: boolean;
  status: EngineStatus;
  /** Counts starts. */
  run: number;
  /** The serve tasks of this run. */
  taskIds: string[];
  /** Why the last run ended by itself; null when somebody or its own rule ended it, or while it runs. */
  problem: string | null;
  version: number;
  /** Written at most once a minute; the object knows better. */
  lastAccessAtMs: number;
  createdAtMs: number;
  updatedAtMs: number;
  /** When this run was first ready, or the last one. */
  activeSinceMs: number | null;
  deactivatedAtMs: number | null;
  deletedAtMs: number | null;
}

/** Who made it, which decides what its API shows and may do. */
export const DEPLOYMENT_ORIGINS = ["emissary", "veri", "anneal", "serverless"] as const;
export type DeploymentOrigin = (typeof DEPLOYMENT_ORIGINS)[number];

/** `failed`: an agent could not load it; `terminated`: taken from its engine, for good. */
export type DeploymentState = "live" | "failed" | "terminated";

export interface DeploymentRecord {
  id: string;
  accountId: string;
  projectId: string;
  engineId: string;
  /** What requests say as `model`: one of its kind among the account's that are live or failed. */
  name: string;
  description: string | null;
  origin: DeploymentOrigin;
  taskType: ServeTask;
  /** As the client named the model that is deployed: a job in its dialect's form, or a base model. */
  model: string;
  /** The base model at the root of it, as its engine has it. */
  baseModel: string;
  /** null: the base model itself. */
  jobId: string | null;
  /** The checkpoint's ordinal; 0 is the base model itself. */
  checkpoint: number;
  checkpointId: string | null;
  /** Of a classifier, as the agent tells them, or as its dataset had them. */
  labels: string[] | null;
  state: DeploymentState;
  /** With `failed`. */
  error: string | null;
  /** The engine's run in which it was last ready; 0: never. */
  readyRun: number;
  /** When it was ready for the first time. */
  readyAtMs: number | null;
  createdAtMs: number;
  updatedAtMs: number;
  stoppedAtMs: number | null;
  deletedAtMs: number | null;
}

/** A deployment with its engine: what requests need, and what a deployment's status is derived from. */
export interface ServedModel {
  deployment: DeploymentRecord;
  engine: EngineRecord;
}

export const DEPLOYMENT_STATUSES = [
  "pending",
  "deploying",
  "deployed",
  "deactivated",
  "reactivating",
  "failed",
  "terminated",
] as const;
export type DeploymentStatus = (typeof DEPLOYMENT_STATUSES)[number];

/** What a deployment is at the moment. */
export function deploymentStatus({ deployment, engine }: ServedModel): DeploymentStatus {
  if (deployment.state !== "live") return deployment.state;
  const wasReady = deployment.readyRun > 0;
  switch (engine.status) {
    case "inactive":
      if (engine.problem !== null) return "failed";
      return engine.run === 0 ? "pending" : "deactivated";
    case "starting":
      return wasReady ? "reactivating" : "pending";
    case "active":
      if (deployment.readyRun === engine.run) return "deployed";
      return wasReady ? "reactivating" : "deploying";
  }
}

const SERVE_TASK_OF: Record<Method, ServeTask> = {
  sft_text: "text-generation",
  grpo: "text-generation",
  classification: "classification",
  regression: "regression",
  embedding: "embedding",
};

/** What a model that a job has trained does. */
export function serveTaskOf(method: Method): ServeTask {
  return SERVE_TASK_OF[method];
}

const METHOD_OF: Record<ServeTask, Method> = {
  "text-generation": "sft_text",
  classification: "classification",
  regression: "regression",
  embedding: "embedding",
};

/** The method that stands for a task where a spec needs one. */
export function methodOf(task: ServeTask): Method {
  return METHOD_OF[task];
}
