/** Engines and deployments in Emissary's words, both ways. Pure, and total over the domain's statuses. */
import type { z } from "@hono/zod-openapi";
import {
  deploymentStatus,
  WEEKDAYS,
  type DeploymentStatus,
  type EngineManagement,
  type EngineRecord,
  type EngineStatus,
  type ServedModel,
} from "../../domain/engines";
import type * as schema from "./engine-schema";
import type { EngineWord, ManagementConfig, Schedule } from "./engine-schema";
import { seconds } from "./map";
import { PREFIX, type DEPLOYMENT_WORDS, type deployment } from "./schema";

export function engineWord(status: EngineStatus): EngineWord {
  switch (status) {
    case "inactive":
      return "Inactive";
    case "starting":
      return "Creating";
    case "active":
      return "Active";
  }
}

export function deploymentWord(status: DeploymentStatus): (typeof DEPLOYMENT_WORDS)[number] {
  switch (status) {
    case "pending":
      return "Pending";
    case "deploying":
      return "Deploying";
    case "deployed":
      return "Deployed";
    case "deactivated":
      return "Deactivated";
    case "reactivating":
      return "Reactivating";
    case "failed":
      return "Failed";
    case "terminated":
      return "Terminated";
  }
}

export function fromEngine(engine: EngineRecord, deployments: number): z.input<typeof schema.engine> {
  return { ...engineHead(engine), deployment_counts: deployments, created_at: seconds(engine.createdAtMs) };
}

export function fromEngineDetail(
  engine: EngineRecord,
  deployments: ServedModel[],
): z.input<typeof schema.engineDetail> {
  return {
    ...engineHead(engine),
    deployments: deployments.map(fromDeployment),
    base_model_option: "pre-trained",
    last_access_timestamp: seconds(engine.lastAccessAtMs),
    resource_management_config: fromManagement(engine.management),
    created_at: seconds(engine.createdAtMs),
  };
}

function engineHead({ id, name, status, baseModel, taskType }: EngineRecord) {
  return {
    id: PREFIX.engine + id,
    name,
    status: engineWord(status),
    base_model: baseModel,
    server_type: "on-demand" as const,
    task_type: taskType,
  };
}

export function fromDeployment(served: ServedModel): z.input<typeof deployment> {
  const { id, name, createdAtMs } = served.deployment;
  return {
    id: PREFIX.deployment + id,
    name,
    status: deploymentWord(deploymentStatus(served)),
    created_at: seconds(createdAtMs),
  };
}

export function fromDeploymentDetail(served: ServedModel): z.input<typeof schema.deploymentDetail> {
  const { deployment, engine } = served;
  const { labels, description, jobId } = deployment;
  return {
    id: PREFIX.deployment + deployment.id,
    name: deployment.name,
    task_type: deployment.taskType,
    ...(labels === null ? {} : { metadata: { labels } }),
    ...(description === null ? {} : { description }),
    base_model: deployment.baseModel,
    status: deploymentWord(deploymentStatus(served)),
    ...(jobId === null ? {} : { training_id: PREFIX.job + jobId }),
    checkpoint: deployment.checkpoint,
    created_at: seconds(deployment.createdAtMs),
    updated_at: seconds(Math.max(deployment.updatedAtMs, engine.updatedAtMs)),
  };
}

export function toManagement(config: ManagementConfig): EngineManagement {
  switch (config.management_type) {
    case "none":
      return { kind: "none" };
    case "inactive_timeout":
      return { kind: "inactive_timeout", seconds: config.management_config.inactive_duration };
    case "schedule":
      return toSchedule(config.management_config);
  }
}

export function toSchedule({ timezone, start_time, end_time, days }: Schedule): EngineManagement {
  const named = days ?? [...WEEKDAYS];
  return {
    kind: "schedule",
    timezone,
    startTime: start_time,
    endTime: end_time,
    days: WEEKDAYS.filter((day) => named.includes(day)),
  };
}

function fromManagement(
  management: EngineManagement,
): z.input<typeof schema.engineDetail>["resource_management_config"] {
  switch (management.kind) {
    case "none":
      return { management_type: "none", management_config: {} };
    case "inactive_timeout":
      return {
        management_type: "inactive_timeout",
        management_config: { inactive_duration: management.seconds },
      };
    case "schedule": {
      const { timezone, startTime, endTime, days } = management;
      return {
        management_type: "schedule",
        management_config: { timezone, start_time: startTime, end_time: endTime, days },
      };
    }
  }
}

const CONFIG = "resource_management_config.management_config";
/** Where an engine's body has the domain's fields; a deployment's has them by the domain's names. */
export const MANAGEMENT_WORDS: Record<string, string> = {
  inactive_timeout: `${CONFIG}.inactive_duration`,
  "schedule.timezone": `${CONFIG}.timezone`,
  "schedule.start_time": `${CONFIG}.start_time`,
  "schedule.end_time": `${CONFIG}.end_time`,
  "schedule.days": `${CONFIG}.days`,
};
