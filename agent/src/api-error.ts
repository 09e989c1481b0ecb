/** What a call to the worker can fail with, and the questions the agent asks of a failure. */

/** The worker (or storage) answered with an error status. Nothing has changed there. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly detail: Record<string, unknown> = {},
    readonly retryAfterMs: number | null = null,
  ) {
    super(`${status} ${code}: ${message}`);
    this.name = "ApiError";
  }
}

/** No complete answer came: the call may or may not have had its effect. */
export class NetworkError extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? `${cause.name}: ${cause.message || codeOf(cause)}` : String(cause), { cause });
    this.name = "NetworkError";
  }
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "no detail";
}

/** 429, 5xx and a broken connection pass; other statuses are an answer. */
export function isTransient(error: unknown): boolean {
  if (error instanceof NetworkError) return true;
  return error instanceof ApiError && (error.status === 429 || error.status >= 500);
}

/** The lease is another's or over, and the call has changed nothing. */
export function isStaleLease(error: unknown): boolean {
  return error instanceof ApiError && error.code === "stale_lease";
}

/** On the lease's own endpoints: it is over, or this agent is no longer known. End the trainer, change nothing more. */
export function isLeaseGone(error: unknown): boolean {
  return isStaleLease(error) || (error instanceof ApiError && [401, 403, 404, 410].includes(error.status));
}
