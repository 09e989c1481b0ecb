/** Engines, deployments and what they were asked, as the native dialect has them. */
import { z } from "@hono/zod-openapi";
import { ENDPOINTS, SERVE_TASKS } from "../../../protocol";
import {
  DEFAULT_INACTIVE_SECONDS,
  DEPLOYMENT_ORIGINS,
  DEPLOYMENT_STATUSES,
  ENGINE_STATUSES,
  MAX_REPLICAS,
  WEEKDAYS,
} from "../../domain/engines";
import {
  chatBody,
  classificationBody,
  completionsBody,
  embeddingsBody,
  regressionBody,
  saidModel as model,
} from "../../http/openai-requests";
import { plainPageParams } from "../../http/page-params";
import { gpu, listQuery, name, PREFIX, timestamp } from "./schema";

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time of day, HH:MM");

const management = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("none") }),
    z.strictObject({ kind: z.literal("inactive_timeout"), seconds: z.int().min(1) }),
    z.strictObject({
      kind: z.literal("schedule"),
      timezone: z.string().openapi({ description: "Of the IANA database, such as Europe/Berlin." }),
      start_time: timeOfDay,
      end_time: timeOfDay.openapi({ description: "One before `start_time` is on the next day." }),
      days: z.array(z.enum(WEEKDAYS)).min(1),
    }),
  ])
  .openapi("EngineManagement", {
    description:
      `When its agents are held: until somebody deactivates it, until no request has come for so many seconds ` +
      `(the default, ${String(DEFAULT_INACTIVE_SECONDS)}), or at these hours.`,
  });

const replicas = z.int().min(1).max(MAX_REPLICAS);

const placement = {
  management: management.optional(),
  gpu: gpu.optional(),
  provider: z.string().optional(),
  replicas: replicas.optional().openapi({ description: "How many agents serve it, each once; 1 by default." }),
};

export const createEngine = z
  .strictObject({
    name: name.optional().openapi({ description: "The account's only one; made of the base model's by default." }),
    base_model: z.string().openapi({ description: "A name of the catalogue, or a Hugging Face id." }),
    task_type: z.enum(SERVE_TASKS).optional(),
    ...placement,
  })
  .openapi("CreateEngine");
export type CreateEngine = z.output<typeof createEngine>;

export const updateEngine = z.strictObject({ management: management.optional(), replicas: replicas.optional() });
export type UpdateEngine = z.output<typeof updateEngine>;

export const engine = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    base_model: z.string(),
    task_type: z.enum(SERVE_TASKS),
    status: z.enum(ENGINE_STATUSES),
    problem: z.string().nullable().openapi({ description: "Why it ended by itself." }),
    management,
    gpu,
    provider: z.string().nullable(),
    replicas,
    is_serverless: z.boolean().openapi({ description: "Made by the first call of a catalogue model by its name." }),
    deployments: z.int().openapi({ description: "How many are on it." }),
    run: z.int().openapi({ description: "How often it was started." }),
    job_ids: z.array(z.string()).openapi({ description: "This run's tasks: jobs of kind `serve`." }),
    last_access_at: timestamp.openapi({ description: "To the minute." }),
    active_since: timestamp.nullable(),
    deactivated_at: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Engine");

export const listEnginesQuery = listQuery(PREFIX.engine).extend({
  status: z.enum(ENGINE_STATUSES).optional(),
  task_type: z.enum(SERVE_TASKS).optional(),
  base_model: z.string().optional(),
  project_id: z.string().optional(),
});

const deployed = {
  name: name.optional().openapi({ description: "What requests say as `model`: the account's only one." }),
  description: z.string().max(2000).optional(),
  model: z.string().openapi({
    description:
      "`job_<id>` for its final model, `job_<id>@<n>` for a checkpoint (0: its base model), or a base model.",
  }),
};

export const deployOnEngine = z.strictObject(deployed).openapi("DeployOnEngine");
export type DeployOnEngine = z.output<typeof deployOnEngine>;

export const createDeployment = z.strictObject({ ...deployed, ...placement }).openapi("CreateDeployment");
export type CreateDeployment = z.output<typeof createDeployment>;

export const deployment = z
  .object({
    id: z.string(),
    project_id: z.string(),
    engine_id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    origin: z.enum(DEPLOYMENT_ORIGINS).openapi({ description: "The API that it was made through." }),
    task_type: z.enum(SERVE_TASKS),
    status: z.enum(DEPLOYMENT_STATUSES),
    error: z.string().nullable().openapi({ description: "Why it failed, or why its engine ended by itself." }),
    model: z.string().openapi({ description: "As it was named when it was made." }),
    base_model: z.string(),
    job_id: z.string().nullable(),
    checkpoint: z.int().openapi({ description: "The checkpoint's ordinal; 0: the base model." }),
    checkpoint_id: z.string().nullable(),
    labels: z.array(z.string()).nullable().openapi({ description: "A classifier's, in the order of its outputs." }),
    endpoints: z.array(z.string()).openapi({ description: "The paths that answer for it." }),
    ready_at: timestamp.nullable().openapi({ description: "When it could first be asked." }),
    stopped_at: timestamp.nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Deployment");

export const listDeploymentsQuery = listQuery(PREFIX.deployment).extend({
  status: z.enum(DEPLOYMENT_STATUSES).optional(),
  origin: z.enum(DEPLOYMENT_ORIGINS).optional(),
  engine_id: z.string().optional(),
  project_id: z.string().optional(),
});

export const requestsQuery = z.object(plainPageParams({ defaultLimit: 20, maxLimit: 100 }));
export const inferenceRequestEntry = z
  .object({
    id: z.string().openapi({ description: "That of the answer." }),
    endpoint: z.enum(ENDPOINTS),
    stream: z.boolean(),
    status: z.int().openapi({ description: "As the client was answered; 499: it left before the end." }),
    error: z.string().nullable(),
    usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullable(),
    first_byte_ms: z.number().nullable().openapi({ description: "Until the answer began; null: it did not." }),
    duration_ms: z.number(),
    created_at: timestamp,
  })
  .openapi("InferenceRequest");

const percentiles = z.object({ p50: z.number().nullable(), p95: z.number().nullable() });
export const inferenceMetrics = z
  .object({
    requests: z.int(),
    failed: z.int(),
    open: z.int(),
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    first_byte_ms: percentiles,
    duration_ms: percentiles,
  })
  .openapi("InferenceMetrics", {
    description: "Sums of its whole life; percentiles of those of its requests that are still listed.",
  });

/** What may be asked, by endpoint; the path says of whom. */
export const inferenceBodies = {
  chat: chatBody.extend({ model }),
  completions: completionsBody.extend({ model }),
  embeddings: embeddingsBody.extend({ model }),
  classification: classificationBody.extend({ model }),
  regression: regressionBody.extend({ model }),
};
