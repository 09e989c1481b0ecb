/**
 * What `config.anneal` of an environment, or of a project's configuration, says of the jobs that run there. It is stored
 * as it was sent, so it is read by the same rules by which it was taken.
 */
import { z } from "zod";
import { DomainError, invalid } from "./errors";
import type { JobDefaults } from "./environments";
import { parseGpu } from "./gpu";
import { normaliseHyperparameters } from "./hyperparameters";
import { checkProvider } from "./provider";
import { limitFault } from "./row-limits";

/** The key in a configuration. */
export const jobDefaultsSchema = z.strictObject({
  gpu: z.strictObject({ type: z.string(), count: z.int().min(1).default(1) }).optional(),
  provider: z.string().optional(),
  max_cost_usd: z.number().positive().optional(),
  max_duration_seconds: z.int().min(1).optional(),
  hyperparameters: z.record(z.string(), z.unknown()).optional(),
});

export function jobDefaultsOf(config: Record<string, unknown> | null): JobDefaults {
  const sent = config?.["anneal"];
  if (sent === undefined || sent === null) return {};
  const { gpu, provider, hyperparameters, ...limits } = jobDefaultsSchema.parse(sent);
  return {
    ...(gpu && { gpu }),
    ...(provider === undefined ? {} : { provider }),
    ...(limits.max_cost_usd === undefined ? {} : { maxCostUsd: limits.max_cost_usd }),
    ...(limits.max_duration_seconds === undefined ? {} : { maxDurationSeconds: limits.max_duration_seconds }),
    ...(hyperparameters && { hyperparameters }),
  };
}

/**
 * A configuration that is to be kept: SQLite has a bound on the levels of what it reads as JSON, and what a job would be
 * refused for is refused here. `field` is what the configuration is called: errors name `<field>.anneal.…`.
 */
export function checkConfiguration(field: string, config: Record<string, unknown>): void {
  const fault = limitFault(config);
  if (fault !== null) throw invalid(field, fault);
  checkJobDefaults(`${field}.anneal`, config);
}

function checkJobDefaults(name: string, config: Record<string, unknown>): void {
  const parsed = jobDefaultsSchema.optional().nullable().safeParse(config["anneal"]);
  const issue = parsed.error?.issues[0];
  if (issue) {
    const keys = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
    const field = [name, ...issue.path, ...keys].join(".");
    throw new DomainError("invalid_request", keys.length > 0 ? "is not a field that is known here" : issue.message, {
      field,
    });
  }
  const { gpu, provider, hyperparameters } = jobDefaultsOf(config);
  try {
    if (gpu) parseGpu(gpu.type, gpu.count);
    checkProvider(provider ?? null);
    if (hyperparameters) normaliseHyperparameters("sft_text", hyperparameters, { gpuCount: gpu?.count ?? 1 });
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    throw new DomainError(error.code, error.message, {
      ...error.detail,
      field: `${name}.${error.detail.field ?? ""}`,
    });
  }
}

/** `nearer` wins field by field, hyperparameters each for itself. */
export function mergedDefaults(farther: JobDefaults, nearer: JobDefaults): JobDefaults {
  const hyperparameters = { ...farther.hyperparameters, ...nearer.hyperparameters };
  return { ...farther, ...nearer, hyperparameters };
}
