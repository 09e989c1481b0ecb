/** `Idempotency-Key`: the same key and body again get the first answer; the same key with another body is refused. */
import type { Context } from "hono";
import { invalid } from "../domain/errors";
import type { Idempotency } from "../services/services";
import type { HttpEnv } from "./http-env";

export const MAX_IDEMPOTENCY_KEY_CHARS = 255;

/** null when the header is absent. */
export async function idempotencyOf(c: Context<HttpEnv>, route: string): Promise<Idempotency | null> {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return null;
  if (key.length === 0 || key.length > MAX_IDEMPOTENCY_KEY_CHARS) {
    throw invalid("Idempotency-Key", `must have 1 to ${String(MAX_IDEMPOTENCY_KEY_CHARS)} characters`);
  }
  const digest = await crypto.subtle.digest("SHA-256", c.var.rawBody);
  return { key, route, requestSha256: Buffer.from(digest).toString("hex") };
}
