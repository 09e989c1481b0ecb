/**
 * Requests held to what their route declares, for dialects whose clients ask for it (`Dialect.isStrict`): an undeclared
 * query parameter or body property is a 400 that names it. A client that asks for the lenient reading has what is
 * undeclared taken out before the validators see it, and query parameters of a wrong type too. Bodies are declared by
 * strict schemas; inside a union only the schema's own refusal counts.
 */
import { z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { invalid } from "../domain/errors";
import type { HttpEnv } from "./http-env";

/** What a route that declares no query, or no body, takes of it. */
export const NOTHING_DECLARED = z.strictObject({});

/** `query` and `body` as the route declares them; a body has been read (`jsonBody`) when this runs. */
export function strictRequests(
  isStrict: (request: Request) => boolean,
  query: z.ZodType,
  body: z.ZodType | null,
): MiddlewareHandler<HttpEnv> {
  return async (c, next) => {
    if (isStrict(c.req.raw)) {
      const extra = undeclaredParameters(c, query)[0];
      if (extra !== undefined) throw invalid(extra, "is not a parameter of this route");
    } else {
      withoutParameters(c, [...undeclaredParameters(c, query), ...faultyParameters(c, query)]);
      if (body !== null) await withoutProperties(c, body);
    }
    await next();
  };
}

function sentParameters(c: Context<HttpEnv>): Record<string, string | string[] | undefined> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, sent]) => [name, sent.length > 1 ? sent : sent[0]]),
  );
}

function undeclaredParameters(c: Context<HttpEnv>, query: z.ZodType): string[] {
  const declared = query instanceof z.ZodObject ? Object.keys(query.shape as object) : [];
  return Object.keys(sentParameters(c)).filter((name) => !declared.includes(name));
}

function faultyParameters(c: Context<HttpEnv>, query: z.ZodType): string[] {
  const issues = query.safeParse(sentParameters(c)).error?.issues ?? [];
  return issues.flatMap(({ path }) => (path.length > 0 ? [String(path[0])] : []));
}

function withoutParameters(c: Context<HttpEnv>, names: string[]): void {
  if (names.length === 0) return;
  const url = new URL(c.req.url);
  for (const name of names) url.searchParams.delete(name);
  c.req.raw = new Request(url, c.req.raw);
}

async function withoutProperties(c: Context<HttpEnv>, schema: z.ZodType): Promise<void> {
  const text = await c.req.raw.clone().text();
  let sent: unknown;
  try {
    sent = JSON.parse(text);
  } catch {
    // Malformed JSON is the validators' to refuse, in whichever reading.
    return;
  }
  const declared = JSON.stringify(onlyDeclared(schema, sent));
  c.req.raw = new Request(c.req.raw, { body: declared });
}

/** `value` without what a strict object inside `schema` does not know. */
export function onlyDeclared(schema: z.ZodType, value: unknown): unknown {
  const left = structuredClone(value);
  for (const issue of schema.safeParse(left).error?.issues ?? []) {
    if (issue.code !== "unrecognized_keys") continue;
    let holder = left as Record<PropertyKey, unknown>;
    for (const key of issue.path) holder = holder[key] as Record<PropertyKey, unknown>;
    for (const key of issue.keys) Reflect.deleteProperty(holder, key);
  }
  return left;
}
