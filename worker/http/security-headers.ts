/** Headers that keep answers from being sniffed, framed, cached or loaded from elsewhere. CORS is off: no header allows it. */
import type { Context, MiddlewareHandler } from "hono";
import type { HttpEnv } from "./http-env";

const ALWAYS = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
};

/** Set only where the route has not said otherwise: pages bring their own policy, downloads their own caching. */
const UNLESS_SET = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "no-store",
};

export const securityHeaders: MiddlewareHandler<HttpEnv> = async (c, next) => {
  await next();
  setHeaders(c, ALWAYS);
  if (new URL(c.req.url).protocol === "https:") setHeaders(c, { "strict-transport-security": "max-age=31536000" });
  for (const [name, value] of Object.entries(UNLESS_SET)) {
    if (!c.res.headers.has(name)) setHeaders(c, { [name]: value });
  }
};

/** `c.header` copies the response, so that one with immutable headers (from an object or a fetch) is no trouble. */
export function setHeaders(c: Context<HttpEnv>, headers: Record<string, string>): void {
  // A WebSocket's answer cannot be copied.
  if (c.res.status === 101) return;
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
}
