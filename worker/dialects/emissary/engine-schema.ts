/** Engines and deployments on the wire. In requests null stands for absent; what is not a field is refused by name. */
import { z } from "@hono/zod-openapi";
import { WEEKDAYS } from "../../domain/engines";
import {
  DEPLOYMENT_WORDS,
  deploymentList,
  listQuery,
  PREFIX,
  projectParams,
  seconds,
  TASK_TYPES,
  text,
} from "./schema";

export const ENGINE_WORDS = ["Creating", "Active", "Inactive"] as const;
export type EngineWord = (typeof ENGINE_WORDS)[number];

const inactiveSeconds = z
  .int("must be a whole number of seconds")
  .openapi({ example: 3600, description: "Seconds without a request after which it is deactivated." });

const days = z
  .array(z.enum(WEEKDAYS, `must be one of ${WEEKDAYS.join(", ")}`))
  .openapi({ description: "On which the hours begin; all by default." });

const scheduleFields = {
  timezone: z.string().openapi({ example: "America/Los_Angeles", description: "IANA." }),
  start_time: z.string().openapi({ example: "10:00", description: "HH:MM" }),
  end_time: z.string().openapi({ example: "18:00", description: "HH:MM; not after the start: on the next day." }),
};
export const schedule = z.strictObject({ ...scheduleFields, days: days.nullish() });
export type Schedule = z.output<typeof schedule>;

export const managementConfig = z.discriminatedUnion(
  "management_type",
  [
    z.strictObject({
      management_type: z.literal("inactive_timeout"),
      management_config: z.strictObject({ inactive_duration: inactiveSeconds }),
    }),
    z.strictObject({ management_type: z.literal("schedule"), management_config: schedule }),
    z.strictObject({
      management_type: z.literal("none"),
      management_config: z.strictObject({}).nullish(),
    }),
  ],
  "must be inactive_timeout, schedule or none",
);
export type ManagementConfig = z.output<typeof managementConfig>;

export const createEngine = z
  .strictObject({
    name: text.nullish().openapi({ example: "inference-test-engine" }),
    base_model: text.openapi({
      example: "Llama-3.2-1B-Instruct",
      description: "A name of GET /v1/models, or a Hugging Face model's id or link.",
    }),
    task_type: z.enum(TASK_TYPES).nullish(),
    resource_management_config: managementConfig.nullish(),
  })
  .openapi("CreateInferenceEngine");

/** null cannot stand for absent: 0 is a checkpoint too. */
const checkpoint = z
  .int("must be a whole number")
  .min(0, "must be at least 0")
  .max(999_999_999, "must be the number of a checkpoint")
  .openapi({ example: 1, description: "0 is the base model." });

export const deployOnEngine = z
  .strictObject({
    name: text.nullish().openapi({ example: "test-deployment" }),
    project_id: z.string().openapi({ example: "ms-123465" }),
    training_id: text.openapi({ example: "tr-12345", description: "Or, with checkpoint 0, the engine's base model." }),
    checkpoint,
  })
  .openapi("DeployOnInferenceEngine");

export const undeploy = z.strictObject({ deployment_name: text.openapi({ example: "my-deployment" }) });

export const createDeployment = z
  .strictObject({
    training_job_id: text.openapi({
      example: "tr-12345",
      description: "Or a base model, as engines have it, with checkpoint 0.",
    }),
    checkpoint,
    name: text.nullish().openapi({ example: "deployment-1" }),
    description: text.nullish(),
    inactive_timeout: inactiveSeconds.nullish().openapi({ description: "Seconds; 3600 by default." }),
    schedule: schedule.nullish().openapi({ description: "In place of `inactive_timeout`." }),
  })
  .openapi("CreateDeployment");
export type CreateDeployment = z.output<typeof createDeployment>;

export const engineParams = z.object({ engine_id: z.string() });
export const deploymentParams = projectParams.extend({ deployment_id: z.string() });
export const engineQuery = listQuery(PREFIX.engine).extend({
  base_model: z.string().optional(),
  task_type: z.enum(TASK_TYPES).optional(),
});

export const deploymentDetail = z
  .object({
    id: z.string(),
    name: z.string(),
    task_type: z.enum(TASK_TYPES),
    metadata: z
      .object({ labels: z.array(z.string()) })
      .optional()
      .openapi({ description: "Of a classifier." }),
    description: z.string().optional(),
    base_model: z.string(),
    status: z.enum(DEPLOYMENT_WORDS),
    training_id: z.string().optional().openapi({ description: "Absent: the base model itself." }),
    checkpoint: z.int(),
    created_at: seconds,
    updated_at: seconds,
  })
  .openapi("DeploymentDetail");

const engineHead = {
  id: z.string(),
  name: z.string(),
  status: z.enum(ENGINE_WORDS),
  base_model: z.string(),
  server_type: z.literal("on-demand"),
  task_type: z.enum(TASK_TYPES),
};

export const engine = z
  .object({ ...engineHead, deployment_counts: z.int(), created_at: seconds })
  .openapi("InferenceEngineSummary");
export const engineList = z.array(engine);

export const engineDetail = z
  .object({
    ...engineHead,
    deployments: deploymentList,
    base_model_option: z.literal("pre-trained"),
    last_access_timestamp: seconds,
    resource_management_config: z.union([
      z.object({
        management_type: z.literal("inactive_timeout"),
        management_config: z.object({ inactive_duration: z.int() }),
      }),
      z.object({
        management_type: z.literal("schedule"),
        management_config: z.object({ ...scheduleFields, days: z.array(z.enum(WEEKDAYS)) }),
      }),
      z.object({ management_type: z.literal("none"), management_config: z.object({}) }),
    ]),
    created_at: seconds,
  })
  .openapi("InferenceEngineDetail");
