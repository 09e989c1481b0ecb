/** A row of an import: the names that a retrieved run has, so that what one deployment answers another one takes. */
import { z } from "zod";
import type { Row } from "./dataset-rows";
import { invalid } from "./errors";
import { isBareId } from "./ids";
import { lineFault } from "./row-reader";
import { isTeachable, RUN_STATUSES, type RunBody, type RunRecord } from "./runs";

const MAX_TAGS = 50;
const MAX_TAG_CHARS = 100;
const MAX_NAME_CHARS = 200;
const ROLES = ["system", "user", "assistant", "tool", "safety", "negative", "mask"] as const;
const RESULT_TYPES = ["text", "json", "thoughts", "image", "video"] as const;

/** For lists and indexes: short, and without what a terminal or SQLite would take amiss. */
const plainText = (maxChars: number) =>
  z
    .string()
    .regex(/\S/, "must not be empty")
    .max(maxChars, `must have at most ${String(maxChars)} characters`)
    .regex(/^[^\u0000-\u001f\u007f]*$/, "must have no control characters");

const facts = z.record(z.string(), z.unknown());
const reference = z.string().refine(isBareId, "is not the id of a record here");

const tags = z
  .array(plainText(MAX_TAG_CHARS))
  .max(MAX_TAGS)
  .transform((sent) => [...new Set(sent)]);
/** Throws naming `tags`. */
export function plainTags(sent: string[]): string[] {
  const parsed = tags.safeParse(sent);
  if (parsed.success) return parsed.data;
  throw invalid("tags", parsed.error.issues[0]?.message ?? "are not tags");
}

const result = z.strictObject({ type: z.enum(RESULT_TYPES), value: z.unknown() }).superRefine((part, context) => {
  if (part.type === "text" && typeof part.value !== "string") {
    context.addIssue({ code: "custom", path: ["value"], message: "must be a string where type is text" });
  }
});

const row = z.strictObject({
  interaction: z.union([
    plainText(MAX_NAME_CHARS),
    z.looseObject({ name: plainText(MAX_NAME_CHARS) }).transform(({ name }) => name),
  ]),
  prompt: z.array(z.strictObject({ role: z.enum(ROLES), content: z.string() })).min(1, "must have a segment"),
  result: z.array(result).default([]),
  status: z.enum(RUN_STATUSES),
  tags: tags.default([]),
  environment: z.union([reference, z.looseObject({ id: reference }).transform(({ id }) => id)]).nullish(),
  parent: z.union([reference, z.looseObject({ id: reference }).transform(({ id }) => id)]).nullish(),
  model: plainText(MAX_NAME_CHARS).nullish(),
  modelId: plainText(MAX_NAME_CHARS).nullish(),
  token_use: z.record(z.string(), z.number().min(0)).nullish(),
  execution_time: z.number().min(0).nullish(),
  finish_reason: plainText(MAX_NAME_CHARS).nullish(),
  created_at: z.iso.datetime({ offset: true }).optional(),
  parameters: z.unknown().optional(),
  config: facts.optional(),
  result_schema: z.unknown().optional(),
  error: facts.optional(),
  source: facts.optional(),
  workflow: facts.optional(),
  evaluation: facts.optional(),
  // Given anew here.
  ...Object.fromEntries(
    ["id", "account", "project", "created_by", "updated_by", "updated_at", "ttl"].map((name) => [
      name,
      z.unknown().optional(),
    ]),
  ),
});

/** What importing makes of a row; throws `invalid_request` with the line and the name at fault. */
export function importedRun(
  sent: Row,
  line: number,
  given: Pick<RunRecord, "id" | "accountId" | "projectId" | "createdBy"> & { nowMs: number },
): RunRecord {
  // A name without a value says as much as one that is left out.
  const named = Object.fromEntries(Object.entries(sent).map(([name, value]) => [name, value ?? undefined]));
  const parsed = row.safeParse(named);
  if (!parsed.success) throw rowFault(line, named, parsed.error.issues[0]);
  const { data } = parsed;
  if (data.model && data.modelId && data.model !== data.modelId) {
    throw lineFault(line, "is wrong in modelId: it says another model than 'model'");
  }
  const { nowMs, ...owner } = given;
  return {
    ...owner,
    interaction: data.interaction,
    status: data.status,
    environmentId: data.environment ?? null,
    model: data.modelId ?? data.model ?? null,
    tags: data.tags,
    parentId: data.parent ?? null,
    hasResult: isTeachable(data.result),
    tokenUse: data.token_use ?? null,
    executionTimeMs: data.execution_time ?? null,
    finishReason: data.finish_reason ?? null,
    createdAtMs: data.created_at === undefined ? nowMs : Date.parse(data.created_at),
    updatedAtMs: nowMs,
    body: bodyOf(data),
  };
}

function bodyOf(data: z.output<typeof row>): RunBody {
  const { prompt, result, parameters, config, result_schema: resultSchema } = data;
  const { error, source, workflow, evaluation } = data;
  const rest = { parameters, config, resultSchema, error, source, workflow, evaluation };
  const present = Object.entries(rest).filter(([, value]) => value !== undefined && value !== null);
  return { prompt, result, ...(Object.fromEntries(present) as Partial<RunBody>) };
}

function rowFault(line: number, named: Row, issue: z.core.$ZodIssue | undefined) {
  if (issue?.code === "unrecognized_keys") {
    return lineFault(line, `has ${[...issue.path, issue.keys[0] ?? ""].join(".")}, which is not a name that a run has`);
  }
  const path = issue?.path ?? [];
  const isMissing = path.length === 1 && named[String(path[0])] === undefined;
  const missing = isMissing || (issue?.code === "invalid_type" && issue.message.endsWith("received undefined"));
  const why = missing
    ? "is required"
    : (issue?.message ?? "").replace(/^Invalid (input|option)(: )?/, "") || "is of another kind";
  return lineFault(line, `is wrong in ${path.join(".")}: ${why}`);
}
