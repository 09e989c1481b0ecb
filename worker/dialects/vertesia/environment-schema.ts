/** Environments and their models on the wire, as the client's own schemas have them. */
import { z } from "@hono/zod-openapi";
import { actor, PROVIDERS, queryFlag, text, timestamp } from "./schema";

const MODEL_TYPES = [
  ...["classifier", "regressor", "clustering", "anomaly-detection", "time-series", "text", "image", "audio"],
  ...["video", "embedding", "chat", "code", "nlp", "multi-modal", "test", "other", "unknown"],
] as const;
const MODEL_STATUSES = ["available", "pending", "stopped", "unavailable", "unknown", "legacy"] as const;
const MAX_ENABLED_MODELS = 500;

export const model = z
  .strictObject({
    id: text.min(1),
    name: text,
    provider: text,
    description: text.optional(),
    version: text.optional(),
    type: z.enum(MODEL_TYPES).optional(),
    tags: z.array(text).optional(),
    owner: text.optional(),
    status: z.enum(MODEL_STATUSES).optional(),
    can_stream: z.boolean().optional(),
    is_custom: z.boolean().optional(),
    is_multimodal: z.boolean().optional(),
    input_modalities: z.array(text).optional(),
    output_modalities: z.array(text).optional(),
    tool_support: z.boolean().optional(),
    environment: text.optional(),
  })
  .openapi("AIModel");
export const models = z.array(model);

const enabledModels = z.array(model).max(MAX_ENABLED_MODELS);
const settings = z.looseObject({
  bucket_access_principal: text.optional(),
  default_headers: z.record(z.string(), z.string()).optional(),
});
const config = z.looseObject({}).openapi({
  description: "Free, but for `anneal`: what the jobs of its sessions ask for (`gpu`, `provider`, `max_cost_usd`, …).",
});

const writable = {
  description: text.optional(),
  endpoint_url: text.optional(),
  default_model: text.optional(),
  enabled_models: enabledModels.optional(),
  apiKey: text.optional(),
  config: config.optional(),
  settings: settings.optional(),
  allowed_projects: z.array(text).optional(),
};
const provider = z.enum(PROVIDERS);

export const createEnvironment = z.strictObject({ name: text, provider, ...writable });
export const updateEnvironment = z.strictObject({ name: text.optional(), provider: provider.optional(), ...writable });
export type EnvironmentBody = z.output<typeof updateEnvironment>;

const entry = { model: text };
export const updateConfig = z.strictObject({
  enabled_models: enabledModels.optional(),
  config: z
    .strictObject({
      entries: z.array(z.strictObject({ ...entry, weight: z.number().optional() })).optional(),
      failover: z.boolean().optional(),
      max_concurrent_requests: z.number().optional(),
      mediators: z.array(z.strictObject(entry)).optional(),
      model_options: z.looseObject({}).optional(),
      anneal: z.looseObject({}).optional().openapi({ description: "What the jobs of its sessions ask for." }),
    })
    .optional(),
});
export const enableModel = z.strictObject({ model_id: text.min(1) });
export const enabledModelParams = z.object({ id: z.string(), model_id: z.string() });

export const environmentListQuery = z.object({
  all: queryFlag.openapi({ description: "Those of the whole account." }),
});
/** `tags` may be repeated, or be a list with commas. */
const tags = z
  .union([z.string(), z.array(z.string())])
  .transform((sent) => [sent].flat().flatMap((some) => some.split(",")))
  .optional();
export const modelSearch = z.object({
  text: z.string().optional(),
  type: z.enum(MODEL_TYPES).optional(),
  tags,
  owner: z.string().optional(),
});

export const environment = z
  .object({
    id: z.string(),
    name: z.string(),
    provider: z.string(),
    description: z.string().optional(),
    endpoint_url: z.string().optional(),
    default_model: z.string().optional(),
    enabled_models: models,
    apikey_hint: z.string().optional().openapi({ description: "The key itself is never answered." }),
    config: z.record(z.string(), z.unknown()),
    settings: z.record(z.string(), z.unknown()).optional(),
    account: z.string(),
    allowed_projects: z.array(z.string()).optional(),
    created_by: actor,
    updated_by: actor,
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("ExecutionEnvironment");
export const environments = z.array(environment);
