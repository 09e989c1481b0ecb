/** Query parameters of lists and other whole numbers; a wrong value is a 400 that names the parameter. */
import { z } from "@hono/zod-openapi";
import { parseId } from "../domain/ids";

interface QueryInt {
  min: number;
  max: number;
  description?: string;
}

/** A whole number in a query, such as `limit=20`. */
export function queryInt(options: QueryInt & { default: number }): z.ZodType<number, string | undefined>;
export function queryInt(options: QueryInt): z.ZodType<number, string>;
export function queryInt(options: QueryInt & { default?: number }): z.ZodType<number> {
  const { min, max, description } = options;
  const schema = z
    .string()
    .regex(/^-?\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(
      z
        .number()
        .min(min, `must be at least ${String(min)}`)
        .max(max, `must be at most ${String(max)}`),
    );
  const documented = {
    type: "integer" as const,
    minimum: min,
    maximum: max,
    ...(description === undefined ? {} : { description }),
  };
  if (options.default === undefined) return schema.openapi(documented);
  return schema.default(options.default).openapi({ ...documented, default: options.default });
}

/** `limit` and `after`, the id of the last item of the page before, in the dialect's own form (`prefix`). */
export function pageParams(options: { prefix: string; defaultLimit: number; maxLimit: number }) {
  const { prefix, defaultLimit, maxLimit } = options;
  return {
    limit: queryInt({ min: 1, max: maxLimit, default: defaultLimit, description: "The most items to answer." }),
    after: z
      .string()
      .transform((text, context) => {
        const id = parseId(prefix, text);
        if (id !== null) return id;
        context.addIssue({ code: "custom", message: "is not the id of an item of this list" });
        return z.NEVER;
      })
      .optional()
      .openapi({ type: "string", description: "The id of the last item of the page before." }),
  };
}

/** The same for a list of which the ids have no form to be held to, such as those of answers. */
export function plainPageParams(options: { defaultLimit: number; maxLimit: number }) {
  return {
    limit: queryInt({ min: 1, max: options.maxLimit, default: options.defaultLimit }),
    after: z
      .string()
      .max(MAX_ID_CHARS)
      .optional()
      .openapi({ description: "The id of the last item of the page before." }),
  };
}

const MAX_ID_CHARS = 100;
