/** Anneal's own error shape: of the native dialect, the admin edge and every path that belongs to nobody. */
import { z } from "@hono/zod-openapi";
import { STATUS_OF, type ErrorCode } from "../domain/errors";
import type { Failure } from "./failure";

const codes = Object.keys(STATUS_OF) as [ErrorCode, ...ErrorCode[]];

export const nativeError = z
  .object({
    error: z.object({
      code: z.enum(codes),
      message: z.string(),
      field: z.string().optional().openapi({ description: "The request field at fault." }),
      line: z.int().optional().openapi({ description: "The line of an uploaded file at fault, from 1." }),
      request_id: z.string(),
    }),
  })
  .openapi("Error");

export function renderNativeError(failure: Failure): z.infer<typeof nativeError> {
  const { code, message, detail, requestId } = failure;
  return {
    error: {
      code,
      message,
      ...(detail.field === undefined ? {} : { field: detail.field }),
      ...(detail.line === undefined ? {} : { line: detail.line }),
      request_id: requestId,
    },
  };
}
