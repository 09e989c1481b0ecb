/** Vertesia's shapes on the wire that its resources share. Requests are strict objects (http/strict-requests.ts). */
import { z } from "@hono/zod-openapi";
import { queryInt } from "../../http/page-params";

/** Records have bare ids, projects their prefix, as everywhere. */
export const PREFIX = { bare: "", project: "ms-", dataset: "ds_", job: "job_" } as const;

export const PROVIDERS = [
  "openai",
  "openai_compatible",
  "azure_openai",
  "azure_foundry",
  "huggingface_ie",
  "replicate",
  "bedrock",
  "bedrock_mantle",
  "vertexai",
  "togetherai",
  "mistralai",
  "groq",
  "watsonx",
  "xai",
  "anthropic",
  "virtual_lb",
  "virtual_mediator",
  "test",
] as const;

export const idParams = z.object({ id: z.string() });

export const timestamp = z.string().openapi({ example: "2023-08-22T14:12:34.567Z" });
export const actor = z.string().openapi({ example: "user:01k00000000000000000000000" });

/** Text that every store and every client can carry: no NUL, no half of a surrogate pair. */
export const text = z
  .string()
  .refine((sent) => sent.isWellFormed() && !sent.includes("\0"), "must be text without NUL and lone surrogates");

export const queryFlag = z
  .enum(["true", "false"])
  .transform((sent) => sent === "true")
  .optional();

/** Pages as the contract has them: `limit` items after the first `offset`. */
export function offsetParams(options: { defaultLimit: number; maxLimit: number }) {
  return {
    limit: queryInt({
      min: 1,
      max: options.maxLimit,
      default: options.defaultLimit,
      description: "The most to return.",
    }),
    offset: queryInt({ min: 0, max: 1_000_000_000, default: 0, description: "How many to skip." }),
  };
}

/** An environment where something else names it. */
export const environmentRef = z
  .object({ id: z.string(), name: z.string(), provider: z.string() })
  .openapi("ExecutionEnvironmentRef");
