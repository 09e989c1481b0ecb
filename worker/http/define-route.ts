/**
 * One way to define a route. The dialect's author writes schemas and a handler of typed values; auth (with the route's
 * first read), body limits, validation, errors and the OpenAPI entry follow from the definition.
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z, type RouteConfig } from "@hono/zod-openapi";
import type { Context, Handler, MiddlewareHandler } from "hono";
import type { Principal, Scope } from "../domain/accounts";
import { DomainError, STATUS_OF, type ErrorCode } from "../domain/errors";
import type { FirstRead, FirstReadResult } from "../domain/ports";
import type { Idempotency, Services } from "../services/services";
import { keyAuth, keyAuthByBody, requireCredential } from "./auth";
import { jsonBody, MAX_JSON_BYTES, optionalJsonBody } from "./body-limit";
import type { HttpEnv } from "./http-env";
import { idempotencyOf, MAX_IDEMPOTENCY_KEY_CHARS } from "./idempotency";
import { NOTHING_DECLARED, strictRequests } from "./strict-requests";

/** What a handler gets: everything validated, and who is calling. */
export interface Call<Params, Query, Body> {
  params: Params;
  query: Query;
  body: Body;
  services: Services;
  /** Unset on the admin edge, whose routes do not ask. */
  principal: Principal;
  first: FirstReadResult;
  origin: string;
  requestId: string;
  /** The request itself, for streamed bodies and single headers. */
  request: Request;
  idempotency(): Promise<Idempotency | null>;
}

export interface RouteDefinition<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType> {
  /** `<dialect>.<verbNoun>`. */
  operationId: string;
  method: "get" | "post" | "put" | "patch" | "delete";
  /** Whole, with `{params}`. */
  path: string;
  /** The last of them takes the rest of the path, slashes included. */
  lastParamIsRest?: boolean;
  summary: string;
  description?: string;
  tags: string[];
  /** What the key must be good for; absent on the admin edge. */
  scope?: Scope;
  /** Asks for no credential: it answers anyone, or looks at the credential itself. */
  isPublic?: true;
  /** For a GET that changes something: Hono would run it for a HEAD too. */
  refusesHead?: true;
  params?: P;
  query?: Q;
  /** A JSON body. */
  body?: B;
  /** No body, or an empty one, stands for `{}`. */
  bodyIsOptional?: boolean;
  /** Where a long list is what the route is for; by default MAX_JSON_BYTES. */
  maxBodyBytes?: number;
  /** Documents a multipart body; the handler reads it by `withUploadForm`. */
  form?: z.ZodType;
  /** Documents the JSON body that a route takes in the form's place; the handler reads it by `readJson`. */
  formOrJson?: z.ZodType;
  /** Documents a body of plain bytes; the handler reads `request.body`. */
  bytes?: boolean;
  /** Honours `Idempotency-Key`. */
  idempotent?: boolean;
  /** Read in one batch with the key; gets the path's parameters as they came. */
  firstRead?: (params: Record<string, string>) => FirstRead;
  /**
   * In its place, where the body names the record: gets the body as it came, not yet validated. It is read before the key
   * is looked up, though not for a request that shows no credential at all.
   */
  firstReadOfBody?: (body: Record<string, unknown>) => FirstRead;
  /** A `schema` is answered as JSON; the handler may answer a Response of `contentType` too, or alone. */
  answer: { status?: number; description: string; schema?: R; contentType?: string };
  /** Other statuses that are no errors, such as 204. */
  alsoAnswers?: Record<number, string>;
  /** Errors beyond those that follow from the definition. */
  errors?: ErrorCode[];
  handler: (call: Call<z.output<P>, z.output<Q>, z.output<B>>) => Promise<z.input<R> | Response>;
}

/** What a dialect lends to its routes. */
export interface RouteHost {
  errorSchema: z.ZodType;
  /** Fills the context; runs before auth, so that its failure is rendered by the dialect. */
  prepare: MiddlewareHandler<HttpEnv>;
  /** In place of API keys. */
  auth?: MiddlewareHandler<HttpEnv>;
  /** Whether a request is held to what its route declares (strict-requests.ts); absent: validators alone decide. */
  isStrict?: (request: Request) => boolean;
  /** In place of `keyAuth`, where the dialect knows other callers beside those with a key. */
  keyAuth?: typeof keyAuth;
  /** As `Dialect.validationStatus`. */
  validationStatus?: number;
}

export interface Route {
  operationId: string;
  method: string;
  path: string;
  /** The path as Hono matches it. */
  pattern: string;
  mount(app: OpenAPIHono<HttpEnv>, host: RouteHost): void;
}

type Empty = z.ZodObject<Record<never, never>>;

export function defineRoute<
  P extends z.ZodType = Empty,
  Q extends z.ZodType = Empty,
  B extends z.ZodType = Empty,
  R extends z.ZodType = z.ZodType<never>,
>(definition: RouteDefinition<P, Q, B, R>): Route {
  const { operationId, method, path } = definition;
  return {
    operationId,
    method,
    path,
    pattern: patternOf(definition).replaceAll(/\{(\w+)\}/g, ":$1"),
    mount(app, host) {
      app.openAPIRegistry.registerPath(documented(definition, host));
      app.openapi(validated(definition, host), handled(definition));
    },
  };
}

function handled<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  definition: RouteDefinition<P, Q, B, R>,
): Handler<HttpEnv> {
  return async (c) => {
    const answer = await definition.handler(callOf(c, definition));
    if (answer instanceof Response) return answer;
    return Response.json(answer, { status: definition.answer.status ?? 200 });
  };
}

function callOf<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  c: Context<HttpEnv>,
  definition: RouteDefinition<P, Q, B, R>,
): Call<z.output<P>, z.output<Q>, z.output<B>> {
  // The validators have run with these very schemas; Hono's types cannot carry that through a generic.
  const valid = (target: "param" | "query" | "json") => c.req.valid(target as never) as unknown;
  return {
    params: (definition.params ? valid("param") : {}) as z.output<P>,
    query: (definition.query ? valid("query") : {}) as z.output<Q>,
    body: (definition.body ? valid("json") : {}) as z.output<B>,
    services: c.var.services,
    principal: c.var.principal,
    first: c.var.first,
    origin: c.var.origin,
    requestId: c.var.requestId,
    request: c.req.raw,
    idempotency: () => idempotencyOf(c, definition.operationId),
  };
}

type AnyDefinition = Pick<
  RouteDefinition<z.ZodType, z.ZodType, z.ZodType, z.ZodType>,
  Exclude<keyof RouteDefinition<z.ZodType, z.ZodType, z.ZodType, z.ZodType>, "handler">
>;

/** The route as it runs: middleware in order, then the validators. */
function validated(definition: AnyDefinition, host: RouteHost): RouteConfig {
  const { method, params, query, scope, firstRead, maxBodyBytes = MAX_JSON_BYTES } = definition;
  const path = patternOf(definition);
  const auth = host.auth ?? (host.keyAuth ?? keyAuth)(scope ?? "read", firstRead ?? (() => ({ kind: "none" })));
  const authByBody = definition.firstReadOfBody && keyAuthByBody(scope ?? "read", definition.firstReadOfBody);
  const body = definition.body ?? (host.isStrict && takesNothing(definition) ? NOTHING_DECLARED : undefined);
  const isOptional = definition.bodyIsOptional ?? definition.body === undefined;
  return {
    method,
    path,
    hide: true,
    middleware: [
      ...(definition.refusesHead ? [refuseHead] : []),
      host.prepare,
      ...(definition.isPublic ? [] : [authByBody ? requireCredential : auth]),
      ...(body
        ? [isOptional ? optionalJsonBody(maxBodyBytes) : jsonBody(maxBodyBytes, host.validationStatus !== undefined)]
        : []),
      ...(authByBody ? [authByBody] : []),
      ...(host.isStrict ? [strictRequests(host.isStrict, query ?? NOTHING_DECLARED, body ?? null)] : []),
    ],
    request: {
      ...(params ? { params: params as z.ZodObject } : {}),
      ...(query ? { query: query as z.ZodObject } : {}),
      ...(body ? { body: { required: true, content: { "application/json": { schema: body } } } } : {}),
    },
    responses: {},
  };
}

/** A route that could have a body and declares none. */
function takesNothing({ method, form, bytes }: AnyDefinition): boolean {
  return method !== "get" && method !== "delete" && form === undefined && bytes !== true;
}

const refuseHead: MiddlewareHandler<HttpEnv> = async (c, next) => {
  if (c.req.raw.method === "HEAD") {
    throw new DomainError("method_not_allowed", "this path takes GET, and not HEAD", { facts: { allow: "GET" } });
  }
  await next();
};

function patternOf({ path, lastParamIsRest }: Pick<AnyDefinition, "path" | "lastParamIsRest">): string {
  return lastParamIsRest ? path.replace(/\{(\w+)\}$/, ":$1{.+}") : path;
}

/** The route as it is documented. */
function documented(definition: AnyDefinition, host: RouteHost): RouteConfig {
  const { operationId, method, path, summary, description, tags, params, query, body, form, answer } = definition;
  const content = body
    ? { "application/json": { schema: body } }
    : form
      ? {
          "multipart/form-data": { schema: form },
          ...(definition.formOrJson ? { "application/json": { schema: definition.formOrJson } } : {}),
        }
      : definition.bytes
        ? { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } }
        : undefined;
  return {
    operationId,
    method,
    path,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(definition.isPublic ? { security: [] } : {}),
    tags,
    ...(definition.isPublic ? { security: [] } : {}),
    request: {
      ...(params ? { params: params as z.ZodObject } : {}),
      ...(query ? { query: query as z.ZodObject } : {}),
      ...(definition.idempotent ? { headers: idempotencyHeader } : {}),
      ...(content ? { body: { required: definition.bodyIsOptional !== true, content } } : {}),
    },
    responses: {
      [answer.status ?? 200]: {
        description: answer.description,
        ...(answer.schema || answer.contentType ? { content: answerContent(answer) } : {}),
      },
      ...Object.fromEntries(
        Object.entries(definition.alsoAnswers ?? {}).map(([status, text]) => [status, { description: text }]),
      ),
      ...errorResponses(errorsOf(definition), host),
    },
  };
}

function answerContent({ schema, contentType }: AnyDefinition["answer"]) {
  return {
    ...(contentType === undefined ? {} : { [contentType]: { schema: z.string() } }),
    ...(schema ? { "application/json": { schema } } : {}),
  };
}

const idempotencyHeader = z.object({
  "Idempotency-Key": z
    .string()
    .min(1)
    .max(MAX_IDEMPOTENCY_KEY_CHARS)
    .optional()
    .openapi({ description: "The same key and body again get the first answer." }),
});

function errorsOf(definition: AnyDefinition): Set<ErrorCode> {
  const { params, query, body, form, firstRead, firstReadOfBody, idempotent, errors } = definition;
  return new Set<ErrorCode>([
    ...(definition.isPublic ? [] : (["unauthenticated", "forbidden"] as const)),
    ...(params || query || body || form ? (["invalid_request"] as const) : []),
    ...((firstRead ?? firstReadOfBody) ? (["not_found"] as const) : []),
    ...(body || form ? (["payload_too_large", "unsupported_media_type"] as const) : []),
    ...(idempotent ? (["idempotency_mismatch"] as const) : []),
    ...(errors ?? []),
    "internal",
    "unavailable",
  ]);
}

/** Statuses come from STATUS_OF alone, so that what is documented is what is sent. */
function errorResponses(
  codes: Set<ErrorCode>,
  { errorSchema: schema, validationStatus }: RouteHost,
): RouteConfig["responses"] {
  const byStatus = new Map<number, ErrorCode[]>();
  const add = (status: number, code: ErrorCode) => byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  for (const code of codes) {
    if (code === "unsupported_media_type") add(validationStatus ?? STATUS_OF[code], code);
    else add(STATUS_OF[code], code);
    if (code === "invalid_request" && validationStatus !== undefined) add(validationStatus, code);
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([a], [b]) => a - b)
      .map(([status, names]) => [
        status,
        { description: names.join(", "), content: { "application/json": { schema } } },
      ]),
  );
}
