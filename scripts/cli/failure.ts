/** What can go wrong for somebody at a terminal, and the exit code that says which. */
import { ApiError } from "../api";

export const EXIT = {
  ok: 0,
  /** The request was refused or something failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The job that was waited for has ended without completing. */
  jobNotCompleted: 3,
  /** Nothing answers at the deployment's URL. */
  unreachable: 4,
} as const;

export class CliFailure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed,
  ) {
    super(message);
  }
}

/** One sentence for stderr, and the exit code. */
export function describeFailure(error: unknown, url: string): { message: string; exitCode: number } {
  if (error instanceof CliFailure) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof ApiError) return { message: describeAnswer(error), exitCode: EXIT.failed };
  if (isUnreachable(error)) {
    return {
      message: `nothing answers at ${url} (${causeOf(error)}); is \`npm run dev\` running there?`,
      exitCode: EXIT.unreachable,
    };
  }
  return { message: error instanceof Error ? error.message : String(error), exitCode: EXIT.failed };
}

/** The native error shape in words: the message, and the id under which the deployment has logged it. */
function describeAnswer(error: ApiError): string {
  const fields = errorFields(error.body);
  if (fields === null) return error.message;
  const field = fields.field === undefined || fields.message.includes(fields.field) ? "" : `${fields.field}: `;
  const request = error.status >= 500 && fields.request_id ? ` (request ${fields.request_id})` : "";
  return `${field}${fields.message} [${fields.code}]${request}`;
}

function errorFields(body: string): { code: string; message: string; field?: string; request_id?: string } | null {
  try {
    const { error } = JSON.parse(body) as { error?: { code: string; message: string } };
    return typeof error?.message === "string" ? error : null;
  } catch {
    // A gateway's page: the caller shows it as it is.
    return null;
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof TypeError && error.message === "fetch failed";
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return ("code" in cause && String(cause.code)) || cause.message;
  return "no answer";
}
