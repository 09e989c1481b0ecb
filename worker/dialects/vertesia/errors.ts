/** The errors of the Vertesia dialect, as its client reads them: `message` first. The only renderer of this dialect. */
import { z } from "@hono/zod-openapi";
import type { Failure } from "../../http/failure";

export const vertesiaError = z
  .object({ status: z.int(), error: z.string(), message: z.string() })
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

export function renderVertesiaError({ status, message }: Failure): z.infer<typeof vertesiaError> {
  return { status, error: TITLES[status] ?? "Internal Server Error", message };
}
