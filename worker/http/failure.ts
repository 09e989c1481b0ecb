/**
 * Whatever goes wrong at the edge becomes one `Failure`, which a dialect renders in its own shape. Four roads lead here: a
 * DomainError, a field that its schema refuses (`refuse`), Hono's own HTTPException (malformed JSON, wrong media type),
 * and the unexpected, whose text never leaves the worker.
 */
import { HTTPException } from "hono/http-exception";
import type { z } from "zod";
import {
  DomainError,
  loggable,
  STATUS_OF,
  type ErrorCode,
  type ErrorDetail,
  type RequestIssue,
} from "../domain/errors";

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

/** The error of the first thing wrong with a request; with all of them behind it. */
export function refuse(zodIssues: readonly z.core.$ZodIssue[], where: RequestIssue["in"] = "body"): DomainError {
  const issues = zodIssues.flatMap((issue) => requestIssues(issue, where));
  const [first] = issues;
  if (!first) return new DomainError("invalid_request", "the request is not valid");
  const field = first.path.length === 0 ? {} : { field: first.path.join(".") };
  return new DomainError("invalid_request", first.message, { ...field, issues });
}

function requestIssues(issue: z.core.$ZodIssue, where: RequestIssue["in"]): RequestIssue[] {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  if (issue.code === "unrecognized_keys") {
    const message = "is not a field that is known here";
    return issue.keys.map((key) => ({ in: where, path: [...path, key], code: issue.code, message }));
  }
  const message = plain(issue);
  const code = message === MISSING ? "missing" : issue.code;
  const isSize = issue.code === "too_small" || issue.code === "too_big";
  return [
    {
      ...{ in: where, path, code, message },
      ...(issue.code === "invalid_type" ? { expected: issue.expected } : {}),
      ...(isSize ? { origin: issue.origin } : {}),
    },
  ];
}

/** A message about a field begins with its name. */
function named(error: DomainError): string {
  const { field } = error.detail;
  return field === undefined || error.message.startsWith(field) ? error.message : `${field}: ${error.message}`;
}

const MISSING = "is required";

function plain(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type" && issue.message.endsWith("received undefined")) return MISSING;
  return issue.message.replace(/^Invalid input: /, "").replace(/^Invalid option: /, "");
}

function toDomainError(error: unknown): DomainError | null {
  if (error instanceof DomainError) return error;
  if (!(error instanceof HTTPException)) return null;
  // Hono's validators throw no other.
  if (error.status === 400) {
    const issue = { in: "body" as const, path: [], code: "malformed", message: error.message };
    return new DomainError("invalid_request", error.message, { issues: [issue] });
  }
  if (error.status === 415) {
    return new DomainError("unsupported_media_type", "the Content-Type is missing or not one that this route takes");
  }
  return null;
}

/** Names and stacks only: a message of our own code holds no secret, and no request header or body is logged. */
function logUnexpected(error: unknown, requestId: string): void {
  console.error(JSON.stringify({ level: "error", request_id: requestId, error: loggable(error) }));
}
