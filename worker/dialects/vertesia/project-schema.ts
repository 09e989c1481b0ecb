/** Projects on the wire, as the client's own schemas have them. */
import { z } from "@hono/zod-openapi";
import { actor, text, timestamp } from "./schema";

/** Kept as it is sent; of `anneal` alone anything follows here. */
const anything = z.unknown().optional();
const configuration = {
  default_environment: text.optional(),
  default_model: text.optional(),
  human_context: text.optional(),
  defaults: anything,
  default_visibility: text.optional(),
  sync_content_properties: z.boolean().optional(),
  embeddings: z.looseObject({}).optional(),
  datacenter: text.optional(),
  storage_bucket: text.optional(),
  agent_streaming_enabled: z.boolean().optional(),
  agent: anything,
  indexing: anything,
  intake: anything,
  main_language: text.optional(),
  browser_use: anything,
  pdf_template_object_id: text.nullish(),
  anneal: z.looseObject({}).nullish().openapi({ description: "What the jobs of the project's sessions ask for." }),
};

export const updateConfiguration = z.strictObject(configuration);
export const projectConfiguration = z.record(z.string(), z.unknown()).openapi("ProjectConfiguration");

const MAX_NAMESPACE_CHARS = 100;
const namespace = text
  .max(MAX_NAMESPACE_CHARS)
  .regex(/^[a-zA-Z0-9][\w-]*$/, "must be of letters, digits, '-' and '_', and begin with a letter or a digit");

export const createProject = z.strictObject({
  name: text,
  namespace,
  description: text.optional(),
  auto_config: z.boolean().optional().openapi({ description: "Accepted: there is nothing to configure." }),
});

/** A whole project may be sent back: what nobody can change is accepted, and stays. */
export const updateProject = z.strictObject({
  name: text.optional(),
  namespace: namespace.optional(),
  description: text.optional(),
  configuration: updateConfiguration.optional(),
  ...Object.fromEntries(
    ["id", "account", "created_by", "updated_by", "created_at", "updated_at"].map((name) => [
      name,
      z.string().optional(),
    ]),
  ),
  integrations: z.strictObject({}).optional(),
  plugins: z.array(z.string()).max(0, "must be empty: there are no plugins here").optional(),
});

export const projectListQuery = z.object({
  account: z
    .union([z.string(), z.array(z.string())])
    .transform((sent) => [sent].flat().flatMap((some) => some.split(",")))
    .optional()
    .openapi({ description: "Of these accounts only; those of others are not to be seen." }),
});

export const projectRefs = z.array(
  z.object({ id: z.string(), name: z.string(), account: z.string() }).openapi("ProjectRef"),
);
export const project = z
  .object({
    id: z.string(),
    name: z.string(),
    namespace: z.string(),
    description: z.string().optional(),
    account: z.string(),
    configuration: projectConfiguration,
    plugins: z.array(z.string()).max(0),
    created_by: actor,
    updated_by: actor,
    created_at: timestamp,
    updated_at: timestamp,
  })
  .openapi("Project");
export const deletedProject = z.object({ id: z.string() });
