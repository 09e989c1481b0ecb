/** The root app: mounts every edge, and answers for the paths that belong to none, in the native shape. */
import { Hono } from "hono";
import { adminApi } from "./admin-api";
import { registerAgentApi } from "./agent-api";
import { annealDialect } from "./dialects/anneal";
import { emissaryDialect } from "./dialects/emissary";
import { trainingModuleDialect } from "./dialects/training-module";
import { veriDialect } from "./dialects/veri";
import { vertesiaDialect } from "./dialects/vertesia";
import { DomainError } from "./domain/errors";
import { mountDialect, prepare, type Dialect } from "./http/dialect";
import { failureResponse, toFailure } from "./http/failure";
import type { EdgeDeps, HttpEnv } from "./http/http-env";
import { renderNativeError } from "./http/native-errors";
import { registerOpenApi } from "./http/openapi";
import { requestId } from "./http/request-id";
import { securityHeaders } from "./http/security-headers";
import { registerSignedUploads } from "./http/signed-uploads";

/** The order of the APIs on `/docs`. */
export const DIALECTS: readonly Dialect[] = [
  annealDialect,
  veriDialect,
  emissaryDialect,
  vertesiaDialect,
  trainingModuleDialect,
  adminApi,
];

export function createApp(deps: EdgeDeps): Hono<HttpEnv> {
  const root = new Hono<HttpEnv>();
  // The only wildcards there are: neither can throw, so every error is rendered by the edge it belongs to.
  root.use("*", requestId, securityHeaders);
  root.onError((error, c) => failureResponse(toFailure(error, c.var.requestId), renderNativeError));
  root.notFound((c) =>
    failureResponse(toFailure(new DomainError("not_found", "no such path"), c.var.requestId), renderNativeError),
  );

  const documented = DIALECTS.map((dialect) => ({ dialect, app: mountDialect(root, dialect, deps) }));
  registerAgentApi(root, deps);
  registerOpenApi(root, documented, deps);
  // Signed: the token says which bytes, for whom and until when.
  root.get("/blobs/:token/:filename?", prepare(deps), async (c) =>
    c.var.services.download(c.req.param("token"), {
      // Hono runs HEAD through here and takes the body off.
      head: c.req.raw.method === "HEAD",
      range: c.req.header("range") ?? null,
      ifRange: c.req.header("if-range") ?? null,
      ifNoneMatch: c.req.header("if-none-match") ?? null,
    }),
  );
  registerSignedUploads(root, deps);
  return root;
}
