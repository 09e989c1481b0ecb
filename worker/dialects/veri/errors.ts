/** Veri's error envelope: all four keys, nulls explicit. The only renderer of this dialect. */
import { z } from "@hono/zod-openapi";
import type { ErrorCode } from "../../domain/errors";
import type { Failure } from "../../http/failure";

const ERROR_TYPES = [
  "invalid_request_error",
  "authentication_error",
  "permission_error",
  "not_found_error",
  "rate_limit_error",
  "api_error",
] as const;
type ErrorType = (typeof ERROR_TYPES)[number];

export const veriError = z
  .object({
    error: z.object({
      type: z.enum(ERROR_TYPES),
      code: z.string().nullable(),
      message: z.string(),
      param: z.string().nullable().openapi({ description: "The request field at fault." }),
    }),
  })
  .openapi("Error");

export function renderVeriError(failure: Failure): z.infer<typeof veriError> {
  return {
    error: {
      type: errorType(failure.code),
      // As in the one documented example, a plain bad request has no code.
      code: failure.code === "invalid_request" ? null : failure.code,
      message: failure.message,
      param: failure.detail.field ?? null,
    },
  };
}

export function errorType(code: ErrorCode): ErrorType {
  switch (code) {
    case "unauthenticated":
      return "authentication_error";
    case "forbidden":
      return "permission_error";
    case "not_found":
      return "not_found_error";
    case "rate_limited":
      return "rate_limit_error";
    case "internal":
    case "not_implemented":
    case "unavailable":
      return "api_error";
    case "invalid_request":
    case "dataset_format_incompatible":
    case "not_cancellable":
    case "method_not_allowed":
    case "conflict":
    case "idempotency_mismatch":
    case "stale_lease":
    case "seq_gap":
    case "no_final_checkpoint":
    case "illegal_transition":
    case "payload_too_large":
    case "unsupported_media_type":
    case "range_not_satisfiable":
      return "invalid_request_error";
  }
}
