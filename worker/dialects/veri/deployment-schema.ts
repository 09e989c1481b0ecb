/** Veri's deployments on the wire; the shapes of `/requests` and `/metrics` are ours, since its documents show none. */
import { z } from "@hono/zod-openapi";
import { ENDPOINTS } from "../../../protocol";
import { chatBody, saidModel } from "../../http/openai-requests";
import { gpu } from "./create-job-schema";
import { listOf, timestamp } from "./schema";

export const DEPLOYMENT_STATUSES = ["queued", "provisioning", "serving", "unhealthy", "stopped", "failed"] as const;
export type VeriDeploymentStatus = (typeof DEPLOYMENT_STATUSES)[number];

export const DEPLOYMENT_SOURCES = ["training_job", "huggingface"] as const;

export const createDeploymentBody = z
  .strictObject({
    model: z.string().openapi({ description: "`job_<id>` of a training job, or a model of Hugging Face." }),
    source: z.enum(DEPLOYMENT_SOURCES).default("training_job"),
    name: z.string(),
    gpu,
    provider: z.string().nullish(),
  })
  .openapi("CreateDeployment");
export type CreateDeploymentBody = z.output<typeof createDeploymentBody>;

export const deployment = z
  .object({
    id: z.string(),
    object: z.literal("deployment"),
    status: z.enum(DEPLOYMENT_STATUSES),
    name: z.string(),
    model: z.string(),
    source: z.enum(DEPLOYMENT_SOURCES),
    endpoint_url: z
      .string()
      .nullable()
      .openapi({ description: "While it is serving; below this deployment's address." }),
    gpu: z.object({ type: z.string(), count: z.int() }),
    provider: z.string().nullable(),
    cost_per_hour_usd: z.number().nullable(),
    total_cost_usd: z.number(),
    total_requests: z.int(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    started_at: timestamp.nullable(),
    stopped_at: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Deployment");
export const deploymentList = listOf(deployment);

/** `model` may be left out: the path says which. */
export const chatRequest = chatBody.extend({ model: saidModel }).openapi("ChatCompletionRequest");

export const deploymentRequest = z
  .object({
    id: z.string().openapi({ description: "That of the answer." }),
    object: z.literal("deployment_request"),
    endpoint: z.enum(ENDPOINTS),
    stream: z.boolean(),
    status_code: z.int().openapi({ description: "499: the client left before the end." }),
    error: z.string().nullable(),
    prompt_tokens: z.int().nullable(),
    completion_tokens: z.int().nullable(),
    first_byte_ms: z.number().nullable(),
    duration_ms: z.number(),
    created_at: timestamp,
  })
  .openapi("DeploymentRequest");
export const deploymentRequestList = listOf(deploymentRequest);

const percentiles = z.object({ p50: z.number().nullable(), p95: z.number().nullable() });

export const deploymentMetrics = z
  .object({
    deployment_id: z.string(),
    object: z.literal("deployment_metrics"),
    total_requests: z.int(),
    failed_requests: z.int(),
    open_requests: z.int(),
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    first_byte_ms: percentiles,
    duration_ms: percentiles,
  })
  .openapi("DeploymentMetrics");
