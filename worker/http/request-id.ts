/** Every answer has an `X-Request-Id`: the caller's own when it is harmless, else a fresh one. Never throws. */
import type { MiddlewareHandler } from "hono";
import { setHeaders } from "./security-headers";
import type { HttpEnv } from "./http-env";

/** What may be echoed into headers and logs as it came. */
const HARMLESS = /^[\w.:=-]{1,128}$/;

export const requestId: MiddlewareHandler<HttpEnv> = async (c, next) => {
  const sent = c.req.header("x-request-id");
  const id = sent !== undefined && HARMLESS.test(sent) ? sent : crypto.randomUUID();
  c.set("requestId", id);
  await next();
  setHeaders(c, { "x-request-id": id });
};
