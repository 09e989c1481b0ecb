/** Runs as the Vertesia dialect has them. */
import { z } from "@hono/zod-openapi";
import { RUN_FACETS, RUN_ORDERS, RUN_STATUSES } from "../../domain/runs";
import { queryInt } from "../../http/page-params";
import { text } from "./schema";

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

/** Sampling, in the words of the client's options for models that it knows nothing of. */
const modelOptions = z.strictObject({
  _option_id: z.string().optional().openapi({ description: "Which set of options the client means; without effect." }),
  max_tokens: z.int().min(1).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().gt(0).max(1).optional(),
  top_k: z.int().min(-1).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  stop_sequence: z.array(text.min(1)).max(16).optional(),
  seed: z.int().optional(),
  include_thoughts: z.literal(false, "must be false: a model's thoughts are not told apart here").optional(),
});

const runConfig = z.strictObject({
  environment: z.string().openapi({ description: "Where the model is looked for, and what the run is of." }),
  model: text.max(300).optional().openapi({
    description:
      "A deployment's name or `dep_` id, `job_<id>` of one that is deployed, or a catalogue model; else the environment's `default_model`.",
  }),
  model_options: modelOptions.optional(),
  do_validate: z.boolean().optional(),
  run_data: z.enum(["STANDARD", "DEBUG"], "must be STANDARD or DEBUG: a run is kept whole").optional(),
  configMode: z
    .enum(["RUN_AND_INTERACTION_CONFIG", "RUN_CONFIG_ONLY"], "must be RUN_CONFIG_ONLY: nothing else has one here")
    .optional(),
});

/** Models read a NUL; nobody reads half of a surrogate pair. */
const wellFormed = z.string().refine((sent) => sent.isWellFormed(), "must be text without lone surrogates");

const promptSegment = z.strictObject({
  role: z.enum(["system", "safety", "user", "assistant"]).openapi({ description: "`safety` is `system`." }),
  content: wellFormed,
  content_type: z
    .literal("text", "must be text: templates are not filled in here, send the prompt as it is to be read")
    .optional(),
  schema: z.unknown().optional(),
  name: z.string().optional(),
  externalId: z.string().optional(),
});

/** What asks for nothing; else a 400 that says what is missing. */
const absent = (why: string) =>
  z
    .unknown()
    .refine((sent) => sent === undefined || sent === null || sent === false || JSON.stringify(sent) === "[]", why)
    .optional();

/** As JSON: with prompt and answer it is one row of the database, which takes 2 MB. */
const MAX_KEPT_BYTES = 64 * 1024;
const TOO_LARGE = "must have at most 64 KiB as JSON: it is kept with the run";

function isSmall(sent: unknown): boolean {
  return sent === undefined || new TextEncoder().encode(JSON.stringify(sent)).byteLength <= MAX_KEPT_BYTES;
}

export const createRunBody = z
  .strictObject({
    interaction: text.min(1).max(200).openapi({ description: "What the run is called, such as `tmp:greet`." }),
    prompts: z.array(promptSegment, "is required: interactions are not stored here, a run brings its prompt").min(1),
    config: runConfig,
    data: z.unknown().refine(isSmall, TOO_LARGE).optional().openapi({ description: "Kept as the run's `parameters`." }),
    tags: z.array(text).optional(),
    workflow: z.record(z.string(), z.unknown()).refine(isSmall, TOO_LARGE).optional(),
    do_validate: z
      .boolean()
      .optional()
      .openapi({ description: "Without effect: there is no schema to hold an answer to." }),
    result_schema: absent("is not supported: answers are text, and no schema is enforced"),
    stream: absent("must be false: a run is answered when it is whole; POST /v1/chat/completions streams"),
    conversation: absent("is not supported: send the conversation so far as prompts"),
    tool_definitions: absent("are not supported"),
    asyncCompletion: absent("is not supported"),
  })
  .openapi("CreateRun");
export type CreateRun = z.output<typeof createRunBody>;

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

/** A run as its own request is answered: what it refers to is its bare id, but for the environment. */
export const executedRun = run
  .extend({ account: z.string(), project: z.string(), interaction: z.string() })
  .openapi("InteractionExecutionResult");

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
