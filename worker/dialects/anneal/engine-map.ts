/** Engines and deployments between the native dialect's words and the domain's: pure, and total over the domain's types. */
import type { z } from "@hono/zod-openapi";
import { ENDPOINTS_OF, type Endpoint } from "../../../protocol";
import { parseDeployedModel } from "../../domain/deployed-model";
import { deploymentStatus, type EngineManagement, type EngineRecord, type ServedModel } from "../../domain/engines";
import type { InferenceLogEntry, InferenceMetrics } from "../../domain/inference";
import type { DeploymentRequest, EngineRequest } from "../../services/engine-services";
import type * as schema from "./engine-schema";
import { time, timeOrNull } from "./map";
import { PREFIX } from "./schema";

type Management = z.output<typeof schema.engine>["management"];

export function toManagement(sent: Management): EngineManagement {
  if (sent.kind !== "schedule") return sent;
  const { kind, timezone, start_time: startTime, end_time: endTime, days } = sent;
  return { kind, timezone, startTime, endTime, days };
}

function fromManagement(management: EngineManagement): Management {
  if (management.kind !== "schedule") return management;
  const { kind, timezone, startTime, endTime, days } = management;
  return { kind, timezone, start_time: startTime, end_time: endTime, days };
}

export function toEngineRequest(body: schema.CreateEngine): EngineRequest {
  return { ...toNaming(body), baseModel: body.base_model, ...toPlacement(body) };
}

function toNaming({ name, task_type: taskType }: schema.CreateEngine): Pick<EngineRequest, "name" | "taskType"> {
  return { ...(name === undefined ? {} : { name }), ...(taskType === undefined ? {} : { taskType }) };
}

type Placement = Pick<EngineRequest, "management" | "gpu" | "provider" | "replicas">;

export function toPlacement(body: Pick<schema.CreateDeployment, "management" | "gpu" | "provider" | "replicas">) {
  const { management, gpu, provider, replicas } = body;
  return {
    ...(management === undefined ? {} : { management: toManagement(management) }),
    ...(gpu === undefined ? {} : { gpu }),
    ...(provider === undefined ? {} : { provider }),
    ...(replicas === undefined ? {} : { replicas }),
  } satisfies Placement;
}

export function toDeploymentRequest({ name, description, model }: schema.DeployOnEngine): DeploymentRequest {
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    model: parseDeployedModel(model, "model"),
    modelText: model,
    origin: "anneal",
  };
}

/** `deployments`: how many are on it. */
export function fromEngine(engine: EngineRecord, deployments: number): z.infer<typeof schema.engine> {
  return {
    id: PREFIX.engine + engine.id,
    project_id: PREFIX.project + engine.projectId,
    name: engine.name,
    base_model: engine.baseModel,
    task_type: engine.taskType,
    status: engine.status,
    problem: engine.problem,
    management: fromManagement(engine.management),
    gpu: { type: engine.gpu.type, count: engine.gpu.count },
    provider: engine.provider,
    replicas: engine.replicas,
    is_serverless: engine.isServerless,
    deployments,
    run: engine.run,
    job_ids: engine.taskIds.map((id) => PREFIX.job + id),
    last_access_at: time(engine.lastAccessAtMs),
    active_since: timeOrNull(engine.activeSinceMs),
    deactivated_at: timeOrNull(engine.deactivatedAtMs),
    created_at: time(engine.createdAtMs),
    updated_at: time(engine.updatedAtMs),
  };
}

/** Below a deployment's own path. */
export const PATH_OF: Record<Endpoint, string> = {
  chat: "chat/completions",
  completions: "completions",
  embeddings: "embeddings",
  classification: "classification",
  regression: "regression",
};

export function fromDeployment(served: ServedModel): z.infer<typeof schema.deployment> {
  const { deployment, engine } = served;
  const id = PREFIX.deployment + deployment.id;
  const endpoints: readonly Endpoint[] = ENDPOINTS_OF[deployment.taskType];
  return {
    id,
    project_id: PREFIX.project + deployment.projectId,
    engine_id: PREFIX.engine + deployment.engineId,
    name: deployment.name,
    description: deployment.description,
    origin: deployment.origin,
    task_type: deployment.taskType,
    status: deploymentStatus(served),
    error: deployment.error ?? (deployment.state === "live" ? engine.problem : null),
    model: deployment.model,
    base_model: deployment.baseModel,
    job_id: deployment.jobId === null ? null : PREFIX.job + deployment.jobId,
    checkpoint: deployment.checkpoint,
    checkpoint_id: deployment.checkpointId === null ? null : PREFIX.checkpoint + deployment.checkpointId,
    labels: deployment.labels,
    endpoints: endpoints.map((endpoint) => `/anneal/v1/deployments/${id}/${PATH_OF[endpoint]}`),
    ready_at: timeOrNull(deployment.readyAtMs),
    stopped_at: timeOrNull(deployment.stoppedAtMs),
    created_at: time(deployment.createdAtMs),
    updated_at: time(deployment.updatedAtMs),
  };
}

export function fromLogEntry(entry: InferenceLogEntry): z.infer<typeof schema.inferenceRequestEntry> {
  const { id, endpoint, stream, status, error, usage, firstByteMs, durationMs, atMs } = entry;
  const times = { first_byte_ms: firstByteMs, duration_ms: durationMs, created_at: time(atMs) };
  return { id, endpoint, stream, status, error, usage, ...times };
}

/** Without `metrics` it has answered nothing yet. */
export function fromInferenceMetrics(metrics: InferenceMetrics | undefined): z.infer<typeof schema.inferenceMetrics> {
  return {
    requests: metrics?.requests ?? 0,
    failed: metrics?.failed ?? 0,
    open: metrics?.openStreams ?? 0,
    prompt_tokens: metrics?.promptTokens ?? 0,
    completion_tokens: metrics?.completionTokens ?? 0,
    first_byte_ms: { p50: metrics?.p50FirstByteMs ?? null, p95: metrics?.p95FirstByteMs ?? null },
    duration_ms: { p50: metrics?.p50DurationMs ?? null, p95: metrics?.p95DurationMs ?? null },
  };
}
