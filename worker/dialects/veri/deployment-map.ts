/** Veri's words for deployments, both ways. Pure, and total over the domain's statuses. */
import { parseDeployedModel, type DeployedModel } from "../../domain/deployed-model";
import { deploymentStatus, type ServedModel } from "../../domain/engines";
import { invalid } from "../../domain/errors";
import type { InferenceLogEntry, InferenceMetrics } from "../../domain/inference";
import { timestamp, timestampOrNull } from "./map";
import { PREFIX } from "./schema";
import type { z } from "@hono/zod-openapi";
import type * as schema from "./deployment-schema";

export function deploymentWord(served: ServedModel): schema.VeriDeploymentStatus {
  const status = deploymentStatus(served);
  switch (status) {
    case "pending":
      return "queued";
    case "deploying":
    case "reactivating":
      return "provisioning";
    case "deployed":
      return "serving";
    // Nothing is held for it; the next request or somebody's wish brings it back.
    case "deactivated":
    case "terminated":
      return "stopped";
    // Its model cannot be loaded, or its engine has ended by itself and will be tried again.
    case "failed":
      return served.deployment.state === "failed" ? "failed" : "unhealthy";
  }
}

export function toDeployedModel({ model, source }: schema.CreateDeploymentBody): DeployedModel {
  const deployed = parseDeployedModel(model, "model");
  const isJob = "jobId" in deployed;
  if (isJob && source === "huggingface") throw invalid("model", "is a training job's; its source is 'training_job'");
  if (!isJob && source === "training_job") {
    throw invalid("model", "is no training job's id (job_…); a model of Hugging Face has the source 'huggingface'");
  }
  return deployed;
}

export function fromDeployment(
  served: ServedModel,
  metrics: InferenceMetrics | undefined,
): z.infer<typeof schema.deployment> {
  const { deployment, engine } = served;
  const status = deploymentWord(served);
  const id = PREFIX.deployment + deployment.id;
  return {
    id,
    object: "deployment",
    status,
    name: deployment.name,
    model: modelWord(served),
    source: deployment.jobId === null ? "huggingface" : "training_job",
    endpoint_url: status === "serving" ? `/v1/deployments/${id}/chat/completions` : null,
    gpu: { type: engine.gpu.type, count: engine.gpu.count },
    provider: engine.provider,
    // Agents of the account's own cost nothing here; what rent costs is known only once there is rent.
    cost_per_hour_usd: status === "serving" ? 0 : null,
    total_cost_usd: 0,
    total_requests: metrics?.requests ?? 0,
    error: errorOf(served),
    started_at: timestampOrNull(deployment.readyAtMs),
    stopped_at: timestampOrNull(deployment.stoppedAtMs),
    created_at: timestamp(deployment.createdAtMs),
    updated_at: timestamp(Math.max(deployment.updatedAtMs, engine.updatedAtMs)),
  };
}

/** As it was asked for here; of one that was made through another API its job in this API's form. */
function modelWord({ deployment }: ServedModel): string {
  const { origin, jobId, checkpoint, model } = deployment;
  return origin === "veri" || jobId === null ? model : `${PREFIX.job}${jobId}@${String(checkpoint)}`;
}

function errorOf({ deployment, engine }: ServedModel): { code: string; message: string } | null {
  if (deployment.state === "failed")
    return { code: "load_failed", message: deployment.error ?? "it could not be loaded" };
  if (deployment.state === "terminated" || engine.problem === null) return null;
  return { code: "engine_failed", message: engine.problem };
}

export function fromRequest(entry: InferenceLogEntry): z.infer<typeof schema.deploymentRequest> {
  return {
    id: entry.id,
    object: "deployment_request",
    endpoint: entry.endpoint,
    stream: entry.stream,
    status_code: entry.status,
    error: entry.error,
    prompt_tokens: entry.usage?.prompt_tokens ?? null,
    completion_tokens: entry.usage?.completion_tokens ?? null,
    first_byte_ms: entry.firstByteMs,
    duration_ms: entry.durationMs,
    created_at: timestamp(entry.atMs),
  };
}

export function fromDeploymentMetrics(
  { deployment }: ServedModel,
  metrics: InferenceMetrics | undefined,
): z.infer<typeof schema.deploymentMetrics> {
  return {
    deployment_id: PREFIX.deployment + deployment.id,
    object: "deployment_metrics",
    total_requests: metrics?.requests ?? 0,
    failed_requests: metrics?.failed ?? 0,
    open_requests: metrics?.openStreams ?? 0,
    prompt_tokens: metrics?.promptTokens ?? 0,
    completion_tokens: metrics?.completionTokens ?? 0,
    first_byte_ms: { p50: metrics?.p50FirstByteMs ?? null, p95: metrics?.p95FirstByteMs ?? null },
    duration_ms: { p50: metrics?.p50DurationMs ?? null, p95: metrics?.p95DurationMs ?? null },
  };
}
