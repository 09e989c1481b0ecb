/** A dialect as an app of its own: its routes, its error shape, its OpenAPI document; mounted at the root without a prefix. */
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Hono, MiddlewareHandler } from "hono";
import { DomainError, type RequestIssue } from "../domain/errors";
import { adminAuth } from "./auth";
import type { Route } from "./define-route";
import { failureResponse, refuse, toFailure, type Failure, type RenderError } from "./failure";
import type { EdgeDeps, HttpEnv } from "./http-env";
import { openOrKeyAuth } from "./open-access";

export interface Dialect {
  /** As in `/openapi/<name>.json`. */
  name: string;
  title: string;
  version: string;
  description: string;
  /** API keys, or the admin token of the deployment. */
  credential: "key" | "admin";
  /** For whoever has no credential at all, where the deployment is open to its own machine. */
  openToLoopback?: true;
  errorSchema: z.ZodType;
  renderError: RenderError;
  /** Whether a request is held to what its route declares (strict-requests.ts); absent: validators alone decide. */
  isStrict?: (request: Request) => boolean;
  /** The status of a request whose parameters or body are refused for their form; 400 and 415 without. */
  validationStatus?: 422;
  routes: Route[];
}

const PLACES = {
  param: "path",
  query: "query",
  json: "body",
  form: "body",
  header: "header",
  cookie: "header",
} as const satisfies Record<string, RequestIssue["in"]>;

/** Mounts `dialect` on the root; the app that comes back knows the dialect's OpenAPI registry. */
export function mountDialect(root: Hono<HttpEnv>, dialect: Dialect, deps: EdgeDeps): OpenAPIHono<HttpEnv> {
  const app = new OpenAPIHono<HttpEnv>({
    defaultHook: (result: { success: boolean; target: keyof typeof PLACES; error?: z.ZodError }) => {
      if (!result.success) throw refuse(result.error?.issues ?? [], PLACES[result.target]);
    },
  });
  app.onError((error, c) => {
    const failure = toFailure(error, c.var.requestId);
    const { validationStatus } = dialect;
    const status = validationStatus !== undefined && isValidation(failure) ? validationStatus : failure.status;
    return failureResponse({ ...failure, status }, dialect.renderError);
  });
  const host = {
    errorSchema: dialect.errorSchema,
    prepare: prepare(deps),
    ...(dialect.isStrict ? { isStrict: dialect.isStrict } : {}),
    ...(dialect.validationStatus ? { validationStatus: dialect.validationStatus } : {}),
    ...(dialect.credential === "admin" ? { auth: adminAuth((c) => deps.settingsFor(c).adminToken) } : {}),
    ...(dialect.openToLoopback ? { keyAuth: openOrKeyAuth((c) => deps.settingsFor(c).isTrainingModuleOpen) } : {}),
  };
  for (const route of dialect.routes) route.mount(app, host);
  refuseOtherMethods(app, dialect.routes);
  root.route("/", app);
  return app;
}

/** What a row of a file has wrong is no fault of the request's form. */
function isValidation({ code, detail }: Failure): boolean {
  if (code === "unsupported_media_type") return true;
  return code === "invalid_request" && detail.line === undefined && (detail.field ?? detail.issues) !== undefined;
}

/** Services are made here and not at the root: if that fails, the dialect renders it. */
export function prepare(deps: EdgeDeps): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const { publicUrl } = deps.settingsFor(c);
    c.set("origin", (publicUrl ?? new URL(c.req.url).origin).replace(/\/$/, ""));
    c.set("services", deps.servicesFor(c));
    await next();
  };
}

/** A path that is ours with a method that is not: 405, in the dialect's shape. Registered last, so it is asked last. */
function refuseOtherMethods(app: OpenAPIHono<HttpEnv>, routes: Route[]): void {
  const methodsOf = new Map<string, string[]>();
  for (const { pattern, method } of routes) {
    methodsOf.set(pattern, [...(methodsOf.get(pattern) ?? []), method.toUpperCase()]);
  }
  for (const [pattern, methods] of methodsOf) {
    app.all(pattern, () => {
      throw new DomainError("method_not_allowed", `this path takes ${methods.join(", ")}`, {
        facts: { allow: methods.join(", ") },
      });
    });
  }
}
