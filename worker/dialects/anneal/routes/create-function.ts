import { z } from "@hono/zod-openapi";
import { MAX_SOURCE_BYTES } from "../../../domain/reward-source";
import { defineRoute } from "../../../http/define-route";
import { refuse } from "../../../http/failure";
import { readJson } from "../../../http/json-body";
import { wholeFile, withUploadForm } from "../../../http/multipart";
import { fromFunction } from "../map";
import { createFunction, fn } from "../schema";

/** JSON may write each byte of the source as an escape of six. */
const MAX_BODY_BYTES = 6 * MAX_SOURCE_BYTES + 64 * 1024;
/** The form: its fields, and its file as the source. */
const formFields = createFunction.omit({ source: true });

export const createFunctionRoute = defineRoute({
  operationId: "anneal.createFunction",
  method: "post",
  path: "/anneal/v1/functions",
  summary: "Upload a reward or testing function",
  description:
    "A form with `name`, `format` and `file`, or JSON with `name`, `format` and `source`. One of format `test` is called by " +
    "its name, which is the account's only one.",
  tags: ["Functions"],
  scope: "write",
  form: formFields.extend({ file: z.string().openapi({ format: "binary" }) }),
  answer: { status: 201, description: "Kept as it came; it runs only on agents.", schema: fn },
  errors: ["conflict"],
  handler: async ({ services, principal, request }) => {
    const made = await (isJson(request) ? fromJson(request) : fromForm(request));
    return fromFunction(await services.createFunction(principal, made));
  },
});

function isJson(request: Request): boolean {
  return (request.headers.get("content-type") ?? "").toLowerCase().startsWith("application/json");
}

async function fromJson(request: Request) {
  const { source, ...fields } = await readJson(request, createFunction, MAX_BODY_BYTES);
  return { ...fields, source: new TextEncoder().encode(source) };
}

async function fromForm(request: Request) {
  const limits = { fields: ["name", "format"], fileField: "file", maxBytes: MAX_BODY_BYTES };
  return withUploadForm(request, limits, async (form) => {
    // One byte more than is taken, so that the domain is the one to refuse a file that is too long.
    const source = await wholeFile(form, MAX_SOURCE_BYTES + 1);
    return { ...parsed(formFields, { name: form.required("name"), format: form.optional("format") }), source };
  });
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (!result.success) throw refuse(result.error.issues);
  return result.data;
}
