/**
 * The one error type. `message` is for the caller and never holds a secret or an internal detail; each dialect renders
 * it in its own shape (`dialects/<d>/errors.ts`), and `STATUS_OF` is the only place that knows status numbers.
 */
export const STATUS_OF = {
  invalid_request: 400,
  dataset_format_incompatible: 400,
  not_cancellable: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  idempotency_mismatch: 409,
  stale_lease: 409,
  seq_gap: 409,
  no_final_checkpoint: 409,
  illegal_transition: 409,
  payload_too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  rate_limited: 429,
  internal: 500,
  not_implemented: 501,
  unavailable: 503,
} as const;

export type ErrorCode = keyof typeof STATUS_OF;

/** One thing that is wrong with a request. `code` is zod's, or `missing`, or `malformed` for a body that cannot be parsed. */
export interface RequestIssue {
  in: "path" | "query" | "body" | "header";
  path: (string | number)[];
  code: string;
  /** The type that was expected, with code `invalid_type`. */
  expected?: string;
  /** What is too small or too big, as zod calls it: `string`, `array`, `number`. */
  origin?: string;
  message: string;
}

export interface ErrorDetail {
  /** The request field at fault, in the caller's own words, such as `gpu.type`. */
  field?: string;
  /** The line of an uploaded file at fault, from 1. */
  line?: number;
  /** More facts for machines, such as `{expected: 5}` of a `seq_gap`. */
  facts?: Record<string, unknown>;
  /** All that is wrong with the request, for dialects that tell more than the first. */
  issues?: RequestIssue[];
  retryAfterSeconds?: number;
}

export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message);
    this.name = "DomainError";
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return STATUS_OF[this.code];
  }
}

export function notFound(what: string): DomainError {
  return new DomainError("not_found", `${what} not found`);
}

export function invalid(field: string, message: string): DomainError {
  return new DomainError("invalid_request", message, { field });
}

const MAX_NAME_CHARS = 200;

/** What people call a dataset, a function or a key. Throws naming `name`. */
export function checkedName(name: string): string {
  if (name.trim() === "" || name.length > MAX_NAME_CHARS) {
    throw invalid("name", `must have 1 to ${String(MAX_NAME_CHARS)} characters`);
  }
  if (name.isWellFormed() && !name.includes("\0")) return name;
  throw invalid("name", "must be text without NUL and lone surrogates");
}

/** A session's key of the Training Module (module-keys.ts): it has it in paths, and from there it may come anywhere. */
const MODULE_KEY = /\btm_[\w-]{43}/g;

/** What may go into a log. */
export function loggable(error: unknown): string {
  return textOf(error).replace(MODULE_KEY, "tm_<redacted>");
}

/** A database error tells its statement's parameters in its own text, so only its cause is told. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return "a value was thrown";
  if ("params" in error) return `${error.name}: ${error.cause instanceof Error ? error.cause.message : "no cause"}`;
  return error.stack ?? `${error.name}: ${error.message}`;
}

/** A Durable Object's RPC keeps an error's message but not its class: what crosses is data, rebuilt on the other side. */
export type Answer<T> =
  { ok: true; value: T } | { ok: false; error: { code: ErrorCode; message: string; detail: ErrorDetail } };

/** Runs `work` and turns a DomainError into data; anything else goes on as it is. */
export async function answering<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return { ok: false, error: { code: error.code, message: error.message, detail: error.detail } };
  }
}

/** The other side of `answering`. */
export function unwrap<T>(answer: Answer<T>): T {
  if (answer.ok) return answer.value;
  throw new DomainError(answer.error.code, answer.error.message, answer.error.detail);
}
