/**
 * The maker's own OpenAPI document as a judge of answers. vitest.config.ts reads it from the shared folder, where there is
 * one; `oneOf` is taken as `anyOf`, since as written it rejects every integer (an integer is a number too).
 */
import { Validator, type Schema } from "@cfworker/json-schema";
import { env } from "cloudflare:workers";

interface Operation {
  operationId: string;
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}

interface Contract {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; responses: Record<string, Operation["responses"][string]> };
}

export const hasContract = env.TEST_EMISSARY_CONTRACT !== "";
const contract = (hasContract ? asAnyOf(JSON.parse(env.TEST_EMISSARY_CONTRACT)) : { paths: {} }) as Contract;
const operations = new Map(
  Object.values(contract.paths).flatMap((methods) => Object.values(methods).map((one) => [one.operationId, one])),
);

/** Errors of statuses that the maker does not list have the shape of those that it does. */
const ERROR_SCHEMA: Record<number, string> = { 401: "ApiErrorUnauthorized", 404: "ApiErrorNotFound" };

/** What is wrong with an answer of `operationId`; empty when nothing is. */
export function violations(operationId: string, status: number, body: unknown): string[] {
  const operation = operations.get(operationId);
  if (!operation) return [`the contract has no operation ${operationId}`];
  const schema = schemaOf(operation, status);
  if (schema === null) return body === "" ? [] : [`${operationId} answers ${String(status)} with a body`];
  const { errors } = new Validator(schema, "2020-12", false).validate(body);
  return [...errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`), ...nulls(body, "#")];
}

function schemaOf(operation: Operation, status: number): Schema | null {
  const documented = resolved(operation.responses[String(status)]);
  const $defs = contract.components.schemas;
  if (!documented) return { $ref: `#/$defs/${ERROR_SCHEMA[status] ?? "ApiErrorInvalidInput"}`, $defs };
  const schema = documented.content?.["application/json"]?.schema;
  // Some refusals are told there in words alone.
  if (!schema && status >= 400) return { $ref: "#/$defs/ApiErrorInvalidInput", $defs };
  return schema ? { ...schema, $defs } : null;
}

function resolved(response: Operation["responses"][string] | undefined) {
  if (!response?.$ref) return response;
  return contract.components.responses[response.$ref.split("/").at(-1) ?? ""];
}

/** What the maker's answers of models have as null, and OpenAI's too. */
const MAY_BE_NULL = /\/(refusal|logprobs)$/;

/** Absent, never null. */
function nulls(value: unknown, at: string): string[] {
  if (value === null) return MAY_BE_NULL.test(at) ? [] : [`${at} is null`];
  if (typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => nulls(inner, `${at}/${key}`));
}

function asAnyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asAnyOf);
  if (typeof value === "string") return value.replace("#/components/schemas/", "#/$defs/");
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key === "oneOf" ? "anyOf" : key, asAnyOf(inner)]),
  );
}
