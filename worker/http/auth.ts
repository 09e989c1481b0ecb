/**
 * Who is calling: an API key or a JWT in `Authorization: Bearer` or `X-API-Key`. As route middleware only: a wildcard in a dialect
 * would answer for its neighbours' paths. The key's look-up and the route's first read are one batch.
 */
import type { Context, MiddlewareHandler } from "hono";
import type { Scope } from "../domain/accounts";
import { DomainError } from "../domain/errors";
import type { FirstRead } from "../domain/ports";
import type { HttpEnv } from "./http-env";

/** `read` gets the path's parameters as they came, not yet validated. */
export function keyAuth(scope: Scope, read: (params: Record<string, string>) => FirstRead): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const key = presentedCredential(c.req.raw);
    const { principal, first } = await c.var.services.authenticate(key, scope, read(c.req.param()));
    c.set("principal", principal);
    c.set("first", first);
    await next();
  };
}

/** As `keyAuth`, after the body has been read (`jsonBody`), which names the record. */
export function keyAuthByBody(
  scope: Scope,
  read: (body: Record<string, unknown>) => FirstRead,
): MiddlewareHandler<HttpEnv> {
  return async (c, next) => keyAuth(scope, () => read(sentObject(c.var.rawBody)))(c, next);
}

/** Malformed JSON is the validators' to refuse, once it is known who is asking. */
function sentObject(body: Uint8Array): Record<string, unknown> {
  try {
    const sent: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof sent === "object" && sent !== null ? { ...sent } : {};
  } catch {
    return {};
  }
}

/** Nobody's body is read who shows nothing to be looked up. */
export const requireCredential: MiddlewareHandler<HttpEnv> = async (c, next) => {
  presentedCredential(c.req.raw);
  await next();
};

/** The deployment's owner; good on the admin edge alone. */
export function adminAuth(adminToken: (c: Context<HttpEnv>) => string | null): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    const expected = adminToken(c);
    const presented = presentedCredential(c.req.raw);
    if (expected === null || !(await sameSecret(presented, expected))) {
      throw new DomainError("unauthenticated", "this is not the admin token of the deployment");
    }
    await next();
  };
}

export function hasCredential(c: Context<HttpEnv>): boolean {
  return c.req.header("authorization") !== undefined || c.req.header("x-api-key") !== undefined;
}

/** Throws `unauthenticated` when there is none, or two that differ. */
function presentedCredential(request: Request): string {
  const credential = credentialIn(request);
  if (credential === null) {
    throw new DomainError("unauthenticated", "no API key: send it as 'Authorization: Bearer <key>' or in X-API-Key");
  }
  return credential;
}

/** null: the request shows none. */
export function credentialIn({ headers }: Request): string | null {
  const authorization = headers.get("authorization");
  const header = headers.get("x-api-key");
  const bearer = authorization === null ? null : bearerToken(authorization);
  if (bearer !== null && header !== null && bearer !== header) {
    throw new DomainError("unauthenticated", "Authorization and X-API-Key hold different credentials");
  }
  const credential = bearer ?? header;
  return credential === "" ? null : credential;
}

function bearerToken(authorization: string): string {
  const match = /^bearer +(\S+)$/i.exec(authorization.trim());
  if (!match?.[1]) throw new DomainError("unauthenticated", "the Authorization header is not 'Bearer <key>'");
  return match[1];
}

/** Compares digests, so that neither content nor length shows in the time it takes. */
async function sameSecret(a: string, b: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [left, right] = await Promise.all([
    crypto.subtle.digest("SHA-256", encoder.encode(a)),
    crypto.subtle.digest("SHA-256", encoder.encode(b)),
  ]);
  return crypto.subtle.timingSafeEqual(left, right);
}
