/** A root with two tiny dialects, to see the edge kit at work by itself. */
import { z } from "@hono/zod-openapi";
import { Hono } from "hono";
import type { Principal, Scope } from "../../worker/domain/accounts";
import { DomainError } from "../../worker/domain/errors";
import { NOTHING_READ, type FirstRead } from "../../worker/domain/ports";
import { defineRoute } from "../../worker/http/define-route";
import { mountDialect, type Dialect } from "../../worker/http/dialect";
import { failureResponse, toFailure } from "../../worker/http/failure";
import { readById } from "../../worker/http/first-reads";
import type { EdgeDeps, HttpEnv } from "../../worker/http/http-env";
import { nativeError, renderNativeError } from "../../worker/http/native-errors";
import { registerOpenApi } from "../../worker/http/openapi";
import { pageParams } from "../../worker/http/page-params";
import { requestId } from "../../worker/http/request-id";
import { securityHeaders } from "../../worker/http/security-headers";
import type { Services } from "../../worker/services/services";

export const GOOD_KEY = "sk-good";
export const ADMIN_TOKEN = "an-admin-token-of-more-than-32-bytes";
export const SOME_ID = "01k00000000000000000000000";

const principal: Principal = {
  accountId: SOME_ID,
  projectId: SOME_ID,
  keyId: SOME_ID,
  scopes: ["read", "write"],
  lastUsedAtMs: null,
};

/** What the last authentication was asked. */
export const asked: { scope?: Scope; read?: FirstRead } = {};

// Only what the kit itself calls: the services are tested where they are.
const services = {
  authenticate(key: string, scope: Scope, read: FirstRead) {
    Object.assign(asked, { scope, read });
    if (key !== GOOD_KEY) throw new DomainError("unauthenticated", "unknown API key");
    return Promise.resolve({ principal, first: NOTHING_READ });
  },
} as Partial<Services> as Services;

const deps: EdgeDeps = {
  servicesFor: () => services,
  settingsFor: () => ({ publicUrl: "https://anneal.example/", adminToken: ADMIN_TOKEN, isTrainingModuleOpen: false }),
};

const things = defineRoute({
  operationId: "kit.listThings",
  method: "get",
  path: "/kit/things",
  scope: "read",
  summary: "List",
  tags: ["kit"],
  query: z.object(pageParams({ prefix: "th_", defaultLimit: 20, maxLimit: 100 })),
  answer: { description: "things", schema: z.object({ limit: z.number(), after: z.string().nullable() }) },
  handler: ({ query }) => Promise.resolve({ limit: query.limit, after: query.after ?? null }),
});

const thing = defineRoute({
  operationId: "kit.getThing",
  method: "get",
  path: "/kit/things/{id}",
  scope: "read",
  summary: "Get",
  tags: ["kit"],
  params: z.object({ id: z.string() }),
  firstRead: readById("job", "th_"),
  answer: { description: "thing", schema: z.object({ id: z.string(), origin: z.string() }) },
  handler: ({ params, origin }) => Promise.resolve({ id: params.id, origin }),
});

const makeThing = defineRoute({
  operationId: "kit.makeThing",
  method: "post",
  path: "/kit/things",
  scope: "write",
  summary: "Make",
  tags: ["kit"],
  body: z.strictObject({ name: z.string(), gpu: z.strictObject({ count: z.int() }).optional() }),
  idempotent: true,
  answer: {
    status: 201,
    description: "made",
    schema: z.object({ name: z.string(), key: z.string().nullable(), sha256: z.string().nullable() }),
  },
  handler: async ({ body, idempotency }) => {
    const used = await idempotency();
    return { name: body.name, key: used?.key ?? null, sha256: used?.requestSha256 ?? null };
  },
});

/** Its body names what it reads first. */
const callThing = defineRoute({
  operationId: "kit.callThing",
  method: "post",
  path: "/kit/calls",
  scope: "write",
  summary: "Call",
  tags: ["kit"],
  maxBodyBytes: 2 * 1024 * 1024,
  body: z.object({ model: z.string(), text: z.string() }),
  firstReadOfBody: ({ model }) =>
    typeof model === "string" ? { kind: "served", name: model, id: null } : { kind: "none" },
  answer: { description: "called", schema: z.object({ chars: z.number() }) },
  handler: ({ body }) => Promise.resolve({ chars: body.text.length }),
});

/** Fails as its last path segment says. */
const fail = defineRoute({
  operationId: "kit.fail",
  method: "get",
  path: "/kit/fail/{how}",
  scope: "read",
  summary: "Fail",
  tags: ["kit"],
  params: z.object({ how: z.enum(["unavailable", "rate_limited", "bug"]) }),
  answer: { description: "never", schema: z.object({}) },
  errors: ["rate_limited"],
  handler: ({ params }) => {
    if (params.how === "bug") throw new Error("the secret is hunter2");
    throw new DomainError(params.how, "wait", { retryAfterSeconds: 7 });
  },
});

const owner = defineRoute({
  operationId: "owner.look",
  method: "get",
  path: "/owner/look",
  summary: "Look",
  tags: ["owner"],
  answer: { description: "seen", schema: z.object({ seen: z.literal(true) }) },
  handler: () => Promise.resolve({ seen: true as const }),
});

/** What the strict dialect's routes have understood of a request. */
const understood = z.object({ query: z.unknown(), body: z.unknown() });

const strictSend = defineRoute({
  operationId: "strict.send",
  method: "post",
  path: "/strict/things",
  scope: "write",
  summary: "Send",
  tags: ["strict"],
  query: z.object({ limit: z.string().regex(/^\d+$/).optional(), tag: z.array(z.string()).optional() }),
  body: z.strictObject({ name: z.string(), parts: z.array(z.strictObject({ size: z.int() })).optional() }),
  answer: { description: "understood", schema: understood },
  handler: ({ query, body }) => Promise.resolve({ query, body }),
});

const strictAct = defineRoute({
  operationId: "strict.act",
  method: "post",
  path: "/strict/act",
  scope: "write",
  summary: "Act",
  tags: ["strict"],
  answer: { description: "understood", schema: understood },
  handler: ({ query, body }) => Promise.resolve({ query, body }),
});

const kitDialect: Dialect = {
  name: "kit",
  title: "Kit",
  version: "1",
  description: "the kit's own",
  credential: "key",
  errorSchema: nativeError,
  renderError: renderNativeError,
  routes: [things, thing, makeThing, callThing, fail],
};

const strictDialect: Dialect = {
  ...kitDialect,
  name: "strict",
  title: "Strict",
  isStrict: (request) => request.headers.get("x-lenient") === null,
  routes: [strictSend, strictAct],
};

const ownerDialect: Dialect = {
  ...kitDialect,
  name: "owner",
  title: "Owner",
  credential: "admin",
  renderError: ({ message }) => ({ detail: message }),
  routes: [owner],
};

export function kitApp(): Hono<HttpEnv> {
  const root = new Hono<HttpEnv>();
  root.use("*", requestId, securityHeaders);
  root.onError((error, c) => failureResponse(toFailure(error, c.var.requestId), renderNativeError));
  root.notFound((c) =>
    failureResponse(toFailure(new DomainError("not_found", "no such path"), c.var.requestId), renderNativeError),
  );
  const documented = [kitDialect, strictDialect, ownerDialect].map((dialect) => ({
    dialect,
    app: mountDialect(root, dialect, deps),
  }));
  registerOpenApi(root, documented, deps);
  return root;
}
