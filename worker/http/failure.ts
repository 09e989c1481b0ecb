/**
 * Whatever goes wrong at the edge becomes one `Failure`, which a dialect renders in its own shape. Four roads lead here: a
 * DomainError, a field that its schema refuses (`refuse`), Hono's own HTTPException (malformed JSON, wrong media type),
 * and the unexpected, whose text never leaves the worker.
 */
import { HTTPException } from "hono/http-exception";
import type { z } from "zod";
import { DomainError, loggable, STATUS_OF, type ErrorCode, type ErrorDetail } from "../domain/errors";

export interface Failure {
  code: ErrorCode;
  status: number;
  message: string;
  detail: ErrorDetail;
  requestId: string;
}

export type RenderError = (failure: Failure) => object;

/** What a caller is told to wait where the error itself does not say. */
const DEFAULT_RETRY_AFTER_SECONDS = 2;

export function toFailure(error: unknown, requestId: string): Failure {
  const known = toDomainError(error);
  if (known) {
    return { code: known.code, status: known.status, message: named(known), detail: known.detail, requestId };
  }
  logUnexpected(error, requestId);
  return {
    code: "internal",
    status: STATUS_OF.internal,
    message: `something went wrong on our side; the request id is ${requestId}`,
    detail: {},
    requestId,
  };
}

export function failureResponse(failure: Failure, render: RenderError): Response {
  const headers = new Headers({ "content-type": "application/json" });
  if (failure.status === 401) headers.set("www-authenticate", "Bearer");
  if (failure.status === 429 || failure.status === 503) {
    headers.set("retry-after", String(Math.ceil(failure.detail.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS)));
  }
  const size = failure.detail.facts?.["sizeBytes"];
  if (failure.status === 416 && typeof size === "number") headers.set("content-range", `bytes */${String(size)}`);
  const offset = failure.detail.facts?.["offset"];
  if (failure.status === 409 && typeof offset === "number") headers.set("upload-offset", String(offset));
  const allow = failure.detail.facts?.["allow"];
  if (failure.status === 405 && typeof allow === "string") headers.set("allow", allow);
  return new Response(JSON.stringify(render(failure)), { status: failure.status, headers });
}

/** The error of the first thing wrong with a request. */
export function refuse(issues: readonly z.core.$ZodIssue[]): DomainError {
  const issue = issues[0];
  if (!issue) return new DomainError("invalid_request", "the request is not valid");
  if (issue.code === "unrecognized_keys") {
    const field = [...issue.path, issue.keys[0] ?? ""].join(".");
    return new DomainError("invalid_request", "is not a field that is known here", { field });
  }
  if (issue.path.length === 0) return new DomainError("invalid_request", plain(issue));
  return new DomainError("invalid_request", plain(issue), { field: issue.path.join(".") });
}

/** A message about a field begins with its name. */
function named(error: DomainError): string {
  const { field } = error.detail;
  return field === undefined || error.message.startsWith(field) ? error.message : `${field}: ${error.message}`;
}

function plain(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return "is required";
  return issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "");
}

function toDomainError(error: unknown): DomainError | null {
  if (error instanceof DomainError) return error;
  if (!(error instanceof HTTPException)) return null;
  // Hono's validators throw no other.
  if (error.status === 400) return new DomainError("invalid_request", error.message);
  if (error.status === 415) {
    return new DomainError("unsupported_media_type", "the Content-Type is missing or not one that this route takes");
  }
  return null;
}

/** Names and stacks only: a message of our own code holds no secret, and no request header or body is logged. */
function logUnexpected(error: unknown, requestId: string): void {
  console.error(JSON.stringify({ level: "error", request_id: requestId, error: loggable(error) }));
}
