/** Bodies are counted as they stream in: Content-Length is only the quicker way to say no. */
import type { MiddlewareHandler } from "hono";
import { DomainError } from "../domain/errors";
import type { HttpEnv } from "./http-env";

const MIB = 1024 * 1024;

/** A job's request is a few KiB; a long system prompt may take some more. */
export const MAX_JSON_BYTES = MIB;
/** Common plans end request bodies at 100 MB: below that, the refusal is ours and says what to do. */
export const MAX_UPLOAD_BYTES = 95 * MIB;
/** Of rows that are taken only as one request's body: more of them are sent in several. */
export const MAX_ROWS_BYTES = 90 * MIB;

/**
 * Reads a JSON body within its limit; validators parse it from the new request, and idempotency hashes it as it came.
 * No body at all is for the validators too, as an empty object, unless `refusesEmpty`.
 */
export function jsonBody(maxBytes: number, refusesEmpty = false): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const body = await wholeBody(c.req.raw, maxBytes);
    if (refusesEmpty && body.byteLength === 0) {
      const message = "is required";
      const issues = [{ in: "body" as const, path: [], code: "missing", message }];
      throw new DomainError("invalid_request", message, { field: "body", issues });
    }
    c.set("rawBody", body);
    c.req.raw = new Request(c.req.raw, { body });
    await next();
  };
}

/** As `jsonBody`, for routes on which no body is an empty object. */
export function optionalJsonBody(maxBytes: number): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const sent = await wholeBody(c.req.raw, maxBytes);
    const isEmpty = sent.byteLength === 0;
    const headers = new Headers(c.req.raw.headers);
    if (isEmpty) headers.set("content-type", "application/json");
    const body = isEmpty ? "{}" : sent;
    c.set("rawBody", sent);
    c.req.raw = new Request(c.req.raw, { headers, body });
    await next();
  };
}

async function wholeBody(request: Request, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limitedBody(request, maxBytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What to do with a file that one request cannot carry. */
const UPLOAD_ROUTE =
  "; send larger files in pieces: POST /anneal/v1/uploads, PUT the pieces, POST …/complete, and then name the";

/** The body's chunks, until there are more than `maxBytes`; `uploadFields` take what was sent in pieces in a file's place. */
export async function* limitedBody(
  request: Request,
  maxBytes: number,
  uploadFields: readonly string[] = ["upload_id"],
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = `the request body is over the limit of ${String(maxBytes)} bytes (${String(Math.floor(maxBytes / MIB))} MiB)`;
  const way = `${UPLOAD_ROUTE} ${uploadFields.join(" and the ")} here`;
  const tooLarge = new DomainError("payload_too_large", maxBytes === MAX_UPLOAD_BYTES ? limit + way : limit);
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge;
  if (!request.body) return;
  let total = 0;
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    total += chunk.byteLength;
    if (total > maxBytes) throw tooLarge;
    yield chunk;
  }
  // A body whose sender is gone ends like one that is over.
  if (total < declared) {
    throw new DomainError("invalid_request", `the body broke off after ${String(total)} of ${String(declared)} bytes`);
  }
}
