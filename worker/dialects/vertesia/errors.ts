/** The errors of the Vertesia dialect, as its client reads them: `message` first. The only renderer of this dialect. */
import { z } from "@hono/zod-openapi";
import { DomainError } from "../../domain/errors";
import type { Failure } from "../../http/failure";
import { renamedFields } from "../../http/renamed-fields";

const denial = z.object({ error: z.string(), message: z.string(), errorCode: z.string() });

/** A token that is denied says why in a code. */
export const vertesiaError = z
  .union([z.object({ status: z.int(), error: z.string(), message: z.string() }), denial])
  .openapi("VertesiaError");

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  501: "Not Implemented",
  503: "Service Unavailable",
};

export function renderVertesiaError({ status, message, detail }: Failure): z.infer<typeof vertesiaError> {
  const errorCode = detail.facts?.["errorCode"];
  if (typeof errorCode === "string") return { error: TITLES[status] ?? "", message, errorCode };
  return { status, error: TITLES[status] ?? "Internal Server Error", message };
}

/** What a session asks of its job comes from fields of these names, and from its environment's configuration. */
const SESSION_WORDS: Readonly<Record<string, string>> = {
  base_model: "model",
  dataset_id: "dataset",
  upload_id: "dataset",
  file: "dataset",
  output_name: "name",
};
const OF_THE_CONFIGURATION = /^(gpu|provider|max_cost_usd|max_duration_seconds|hyperparameters)\b/;

/** What the domain refuses of a job, told in the words of a session. */
export function inSessionWords<T>(work: () => Promise<T>): Promise<T> {
  const word = (field: string) => (OF_THE_CONFIGURATION.test(field) ? `config.anneal.${field}` : field);
  return inWords((field) => SESSION_WORDS[field] ?? word(field), work);
}

/** What a body names and is not there is a bad request: only what the path names is not found. */
export async function inWords<T>(wordOf: (field: string) => string, work: () => Promise<T>): Promise<T> {
  try {
    return await renamedFields(wordOf, work);
  } catch (error) {
    const isOfBody = error instanceof DomainError && error.code === "not_found" && error.detail.field !== undefined;
    throw isOfBody ? new DomainError("invalid_request", error.message, error.detail) : error;
  }
}
