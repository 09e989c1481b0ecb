/**
 * Open mode: a deployment on somebody's own machine answers without an API key. A browser on that machine may be asked by
 * any page that it shows, so whoever has no key must come from this machine, to this machine's own name, and from no page
 * of another origin (DESIGN, design/security.md).
 */
import type { Context } from "hono";
import { isLoopback, isLoopbackHost } from "../domain/loopback";
import { DomainError } from "../domain/errors";
import { hasCredential, keyAuth } from "./auth";
import type { HttpEnv } from "./http-env";

/** As `keyAuth`; a request without any credential is the deployment's one account's, where it is open and the guards let it. */
export function openOrKeyAuth(isOpen: (c: Context<HttpEnv>) => boolean): typeof keyAuth {
  return (scope, read) => {
    const byKey = keyAuth(scope, read);
    return async (c, next) => {
      if (hasCredential(c) || !isOpen(c)) return byKey(c, next);
      const why = refusal(c);
      if (why !== null) throw new DomainError("forbidden", `without an API key, ${why}`);
      const { principal, first } = await c.var.services.authenticateOpen(read(c.req.param()));
      c.set("principal", principal);
      c.set("first", first);
      await next();
    };
  };
}

/** What keeps this request out; null: it may come in. */
function refusal(c: Context<HttpEnv>): string | null {
  const url = new URL(c.req.url);
  const host = c.req.header("host") ?? url.host;
  if (!isLoopbackHost(host) || !isLoopbackHost(url.host)) return "Host must be this machine's own name";
  const client = c.req.header("cf-connecting-ip");
  if (client !== undefined && !isLoopback(client)) return "only this machine is answered";
  const origin = c.req.header("origin");
  if (origin !== undefined && origin !== url.origin && origin !== c.var.origin) {
    return "a page of another origin is not answered";
  }
  // Another port of this machine is the same site, and another's page all the same. `none` is a person at the address bar.
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined && site !== "same-origin" && site !== "none") return "another site's page is not answered";
  return null;
}
