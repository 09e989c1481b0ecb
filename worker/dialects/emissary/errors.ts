/** Emissary's error shape, and the domain's fields in its words. The only renderer of this dialect. */
import { z } from "@hono/zod-openapi";
import { DomainError, invalid } from "../../domain/errors";
import type { Failure } from "../../http/failure";
import { parameterName } from "./parameters";

const NOT_FOUND = 404;

export const emissaryError = z
  .object({
    status: z.int(),
    error: z.string(),
    code: z.literal("object_not_found").optional().openapi({ description: "With status 404." }),
  })
  .openapi("ApiError");

export function renderEmissaryError({ status, message }: Failure): z.infer<typeof emissaryError> {
  return { status, error: inOurIds(message), ...(status === NOT_FOUND ? { code: "object_not_found" as const } : {}) };
}

/** A refusal may name a job, as the native dialect does. */
function inOurIds(message: string): string {
  return message.replace(/\bjob_(?=[0-9a-z]{26}\b)/g, "tr-");
}

const FIELD_OF: Readonly<Record<string, string>> = {
  dataset_id: "train_dataset_id",
  "test.dataset_id": "test_dataset_id",
  "test.split_percent": "train_test_split_ratio",
  "test.functions": "test_functions",
  reward_function_id: "test_functions",
  rebalance: "rebalance_data",
  downsample_percent: "parameters.downsample_size",
  output_name: "name",
  method: "task_type",
};

/**
 * Runs `work` of a request's body. What the domain refuses is told in the body's words, and an unknown id in a body is a
 * bad request: only what the path names is not found. `renamed` are fields that this request has other words for.
 */
export async function inEmissaryWords<T>(work: () => Promise<T>, renamed: Record<string, string> = {}): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw translated(error, renamed);
  }
}

/** As `inEmissaryWords`, where a name that somebody has, or a state that forbids it, is a bad request too. */
export async function inEngineWords<T>(work: () => Promise<T>, renamed: Record<string, string> = {}): Promise<T> {
  try {
    return await inEmissaryWords(work, renamed);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const isTaken = error.code === "conflict" && error.detail.field !== undefined;
    if (!isTaken && error.code !== "illegal_transition") throw error;
    throw new DomainError("invalid_request", error.message, error.detail);
  }
}

/** What a body names and nobody has is a bad request, and not what is not found. */
export async function namedInBody<T>(field: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DomainError && error.code === "not_found") throw invalid(field, error.message);
    throw error;
  }
}

function translated(error: DomainError, renamed: Record<string, string>): DomainError {
  const { field } = error.detail;
  if (field === undefined) return error;
  const ours = fieldOf(error, field, renamed);
  const message = error.message.startsWith(field) ? ours + error.message.slice(field.length) : error.message;
  const code = error.code === "not_found" ? "invalid_request" : error.code;
  return new DomainError(code, message, { ...error.detail, field: ours });
}

function fieldOf(error: DomainError, field: string, renamed: Record<string, string>): string {
  if (error.detail.facts?.["missingCheckpoint"] === true) return "checkpoint";
  if (field.startsWith("hyperparameters."))
    return `parameters.${parameterName(field.slice("hyperparameters.".length))}`;
  return renamed[field] ?? FIELD_OF[field] ?? field;
}
