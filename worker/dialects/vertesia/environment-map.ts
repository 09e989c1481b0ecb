/** Environments in the dialect's words, both ways. Pure. */
import type { z } from "@hono/zod-openapi";
import type { EnvironmentModel, EnvironmentRecord } from "../../domain/environments";
import { parseId } from "../../domain/ids";
import type { EnvironmentFields } from "../../services/environment-services";
import type { environment, EnvironmentBody, model } from "./environment-schema";
import { PREFIX } from "./schema";
import { audit, projectId } from "./words";

export function fromEnvironment(record: EnvironmentRecord): z.input<typeof environment> {
  const { allowedProjects } = record;
  return {
    id: record.id,
    name: record.name,
    provider: record.provider,
    ...(record.description === null ? {} : { description: record.description }),
    ...(record.endpointUrl === null ? {} : { endpoint_url: record.endpointUrl }),
    ...(record.defaultModel === null ? {} : { default_model: record.defaultModel }),
    enabled_models: record.enabledModels.map(fromModel),
    ...(record.apiKeyHint === null ? {} : { apikey_hint: record.apiKeyHint }),
    config: record.config,
    ...(record.settings === null ? {} : { settings: record.settings }),
    account: record.accountId,
    ...(allowedProjects.length === 0 ? {} : { allowed_projects: allowedProjects.map(projectId) }),
    ...audit(record),
  };
}

/** Models are stored as they were sent, or made of the catalogue in these very words. */
export function fromModel(stored: EnvironmentModel): z.input<typeof model> {
  return stored as z.input<typeof model>;
}

export function toFields(body: EnvironmentBody): Partial<EnvironmentFields> {
  const { endpoint_url: endpointUrl, default_model: defaultModel, enabled_models: enabledModels, ...rest } = body;
  const { allowed_projects: allowed, ...same } = rest;
  return present({
    ...same,
    endpointUrl,
    defaultModel,
    enabledModels,
    allowedProjects: allowed?.map((id) => parseId(PREFIX.project, id)),
  });
}

function present<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const sent = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(sent) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
