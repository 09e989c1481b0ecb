/** FastAPI's error shapes: a list of what is wrong with a request, or one sentence. The only renderer of this dialect. */
import { z } from "@hono/zod-openapi";
import type { RequestIssue } from "../../domain/errors";
import type { Failure } from "../../http/failure";

const VALIDATION_STATUS = 422;
/** A text in one of them is no float either, and zod says of it only that it is no number. */
const INTEGERS: readonly unknown[] = ["batch_size", "epochs", "epochs_per_test_run", "seed"];

const validationIssue = z.object({
  loc: z.array(z.union([z.string(), z.int()])).openapi({ example: ["query", "model_name"] }),
  msg: z.string(),
  type: z.string(),
});

export const moduleError = z
  .object({ detail: z.union([z.string(), z.array(validationIssue)]) })
  .openapi("ModuleError", { description: "With status 422 a list, with every other a sentence." });

export function renderModuleError({ status, code, message, detail }: Failure): z.infer<typeof moduleError> {
  if (status !== VALIDATION_STATUS) return { detail: message };
  const noBody: RequestIssue = { in: "body", path: [], code, message };
  const issues = detail.issues ?? [detail.field === undefined ? noBody : refusedBy(detail.field, message)];
  return { detail: issues.map((issue) => ({ loc: [issue.in, ...issue.path], ...described(issue) })) };
}

/** Parameters that this dialect takes in the query; what a service refuses is one of them or of the body. */
const IN_QUERY: readonly string[] = ["model_type", "model_name"];

function refusedBy(field: string, message: string): RequestIssue {
  const text = message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
  return { in: IN_QUERY.includes(field) ? "query" : "body", path: [field], code: "custom", message: text };
}

/** In the words of the library that FastAPI validates with. */
function described({ code, path, expected, origin, message }: RequestIssue): { msg: string; type: string } {
  switch (code) {
    case "missing":
      return { msg: "Field required", type: "missing" };
    case "malformed":
      return { msg: "JSON decode error", type: "json_invalid" };
    case "unrecognized_keys":
      return { msg: "Extra inputs are not permitted", type: "extra_forbidden" };
    case "invalid_type":
      if (INTEGERS.includes(path[0])) return { msg: message, type: "int_type" };
      return { msg: message, type: TYPE_ERRORS[expected ?? ""] ?? "value_error" };
    case "too_small":
    case "too_big":
      return { msg: message, type: SIZE_ERRORS[code][origin ?? ""] ?? BOUND_ERRORS[code] };
    default:
      return { msg: message, type: TYPES[code] ?? "value_error" };
  }
}

const TYPE_ERRORS: Readonly<Record<string, string>> = {
  string: "string_type",
  number: "float_type",
  int: "int_type",
  boolean: "bool_type",
  array: "list_type",
  object: "model_attributes_type",
};

const TYPES: Readonly<Record<string, string>> = {
  // A body of another kind.
  unsupported_media_type: "model_attributes_type",
  invalid_format: "int_parsing",
  invalid_value: "enum",
};

/** Of numbers, and of what has a length. */
const BOUND_ERRORS = { too_small: "greater_than_equal", too_big: "less_than_equal" };
const SIZE_ERRORS: Readonly<Record<keyof typeof BOUND_ERRORS, Readonly<Record<string, string>>>> = {
  too_small: { string: "string_too_short", array: "too_short" },
  too_big: { string: "string_too_long", array: "too_long" },
};
