/** Runs as the Vertesia dialect has them. */
import { z } from "@hono/zod-openapi";
import { RUN_FACETS, RUN_ORDERS, RUN_STATUSES } from "../../domain/runs";
import { queryInt } from "../../http/page-params";

const MAX_LIMIT = 1000;
const DEFAULT_LIMIT = 100;
const MAX_OFFSET = 10_000_000;
/** With their prompts and results. */
const MAX_FOUND = 100;

/** Repeated, or with commas: `tag=a&tag=b` and `tag=a,b` are the same. */
function many<T extends string>(item: z.ZodType<T, string>) {
  return z
    .union([z.string(), z.array(z.string())])
    .transform((sent) => [sent].flat().flatMap((text) => text.split(",")))
    .pipe(z.array(item))
    .optional()
    .openapi({ type: "array", items: { type: "string" } });
}

const flag = z
  .enum(["true", "false"])
  .transform((text) => text === "true")
  .optional()
  .openapi({ type: "boolean" });

export const runIdParam = z.object({ id: z.string() });
export const retrieveRunQuery = z.object({ populate: flag });

export const listRunsQuery = z.object({
  limit: queryInt({ min: 1, max: MAX_LIMIT, default: DEFAULT_LIMIT, description: "The most runs to answer." }),
  offset: queryInt({ min: 0, max: MAX_OFFSET, default: 0, description: "The runs to skip." }),
  interaction: many(z.string()),
  status: many(z.enum(RUN_STATUSES)),
  model: many(z.string()),
  environment: many(z.string()),
  tag: many(z.string()).openapi({ description: "Runs with any of them." }),
  parent: many(z.string()).openapi({ description: "Ids of runs; `false`: runs without a parent." }),
  is_root: flag,
  workflow_run_ids: many(z.string()),
  workflow_ids: many(z.string()),
  fromDate: z.string().optional().openapi({ description: "Accepted and ignored, as Vertesia does: use search." }),
  toDate: z.string().optional().openapi({ description: "Accepted and ignored." }),
});

const pageBody = {
  limit: z.int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  offset: z.int().min(0).max(MAX_OFFSET).default(0),
};

const searchQuery = z.strictObject({
  status: z.enum(RUN_STATUSES).optional(),
  limit: pageBody.limit.optional(),
  offset: pageBody.offset.optional(),
  interaction: z.string().optional(),
  environment: z.string().optional(),
  model: z.string().optional(),
  tags: z.array(z.string()).optional().openapi({ description: "Runs with all of them." }),
  exclude_tags: z.array(z.string()).optional(),
  parent: z.array(z.string()).optional(),
  is_root: z.boolean().optional(),
  start: z.iso.datetime({ offset: true }).optional().openapi({ description: "Created at or after." }),
  end: z.iso.datetime({ offset: true }).optional().openapi({ description: "Created before." }),
  finish_reason: z.string().optional(),
  created_by: z.string().optional(),
  workflow_run_ids: z.array(z.string()).optional(),
  workflow_ids: z.array(z.string()).optional(),
  run_ids: z.array(z.string()).optional(),
});

export type SearchQuery = z.output<typeof searchQuery>;

export const searchRunsBody = z.strictObject({
  query: searchQuery.optional(),
  limit: z.int().min(1).max(MAX_LIMIT).optional(),
  offset: pageBody.offset.optional(),
  sort: z
    .array(z.strictObject({ field: z.enum(RUN_ORDERS), order: z.enum(["asc", "desc"]).default("desc") }))
    .max(1, "runs are sorted by one field")
    .optional(),
});

export const findRunsBody = z.strictObject({
  query: z.record(z.string(), z.unknown()).openapi({
    description: "Fields of a run with a value, or with `{$in: [...]}`; `tags` also with `{$all: [...]}`.",
  }),
  limit: z.int().min(1).max(MAX_FOUND).default(MAX_FOUND),
  offset: pageBody.offset,
  select: z.string().optional().openapi({ description: "Names of fields, with spaces between them." }),
});

export const facetsBody = z.strictObject({
  facets: z
    .array(
      z.discriminatedUnion("name", [
        z.strictObject({ name: z.literal("environments"), field: z.literal("environment") }),
        z.strictObject({ name: z.literal("interactions"), field: z.literal("interaction") }),
        z.strictObject({ name: z.literal("models"), field: z.literal("modelId") }),
        z.strictObject({ name: z.literal("statuses"), field: z.literal("status") }),
        z.strictObject({ name: z.literal("finish_reason"), field: z.literal("finish_reason") }),
      ]),
    )
    .max(RUN_FACETS.length),
  query: searchQuery.optional(),
});

export const cloneRunBody = z.strictObject({
  source_run_id: z.string(),
  workflow: z.strictObject({
    run_id: z.string(),
    workflow_id: z.string(),
    agent_run_id: z.string().optional(),
  }),
});

/** What creating a run will take; nothing is served yet, so no part of it is looked into. */
export const createRunBody = z.strictObject({
  interaction: z.string(),
  data: z.unknown().optional(),
  config: z.record(z.string(), z.unknown()).optional(),
  result_schema: z.unknown().optional(),
  stream: z.boolean().optional(),
  do_validate: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
  conversation: z.unknown().optional(),
  tool_definitions: z.array(z.unknown()).optional(),
  workflow: z.record(z.string(), z.unknown()).optional(),
  prompts: z.array(z.unknown()).optional().openapi({ description: "The prompt of an ad-hoc interaction (`tmp:…`)." }),
  asyncCompletion: z.record(z.string(), z.unknown()).optional(),
});

const isoDate = z.string().openapi({ format: "date-time" });
const facts = z.record(z.string(), z.unknown());

const runEnvironment = z.object({
  ...{ id: z.string(), name: z.string(), provider: z.string(), account: z.string() },
  ...{ created_by: z.string(), updated_by: z.string(), created_at: isoDate, updated_at: isoDate },
});

export const runRef = z
  .object({
    id: z.string(),
    parent: z.string().optional(),
    tags: z.array(z.string()),
    interaction: z.object({
      ...{ id: z.string(), name: z.string(), endpoint: z.string(), status: z.string(), version: z.int() },
      ...{ tags: z.array(z.string()), updated_at: isoDate },
    }),
    environment: z.union([runEnvironment, z.string(), z.null()]),
    modelId: z.string().optional(),
    ttl: z.int(),
    status: z.enum(RUN_STATUSES),
    finish_reason: z.string().optional(),
    token_use: z.record(z.string(), z.number()).optional(),
    execution_time: z.number().optional(),
    created_at: isoDate,
    updated_at: isoDate,
    account: z.object({ id: z.string(), name: z.string() }),
    project: z.object({ id: z.string(), name: z.string(), account: z.string() }),
    config: facts,
    source: facts,
    created_by: z.string(),
    updated_by: z.string(),
  })
  .openapi("ExecutionRunRef");

export const run = runRef
  .extend({
    parent: z.unknown().optional(),
    environment: z.unknown(),
    prompt: z.array(z.object({ role: z.string(), content: z.string() })),
    result: z.array(z.object({ type: z.string(), value: z.unknown() })),
    parameters: z.unknown(),
    result_schema: z.unknown().optional(),
    error: facts.optional(),
    workflow: facts.optional(),
    evaluation: facts.optional(),
  })
  .openapi("ExecutionRun");

export const foundRun = z.record(z.string(), z.unknown()).openapi("FindRunResult");
export const runDocRef = z
  .object({ id: z.string(), account: z.string(), project: z.string() })
  .openapi("ExecutionRunDocRef");
export const importedRuns = z
  .object({
    imported: z.int(),
    runs: z.array(z.string()).openapi({ description: "Their ids, in the order of the rows." }),
  })
  .openapi("ImportedRuns");

const bucket = z.object({ _id: z.string().nullable(), count: z.int(), name: z.string().optional() });
export const facetsAnswer = z
  .object({
    environments: z.array(bucket).optional(),
    interactions: z.array(bucket).optional(),
    models: z.array(bucket).optional(),
    statuses: z.array(bucket).optional(),
    finish_reason: z.array(bucket).optional(),
    total: z.int(),
  })
  .openapi("RunFacets");
