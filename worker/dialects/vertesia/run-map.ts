/** Runs ⇄ the dialect's run. */
import type { z } from "@hono/zod-openapi";
import type { ListedRun, RetrievedRun, RunEnvironment } from "../../domain/runs";
import { parseId } from "../../domain/ids";
import type { Interaction } from "../../domain/interaction";
import type { CreateRun, executedRun, foundRun, run as runAnswer, runRef } from "./run-schema";
import { audit, fromEnvironmentRef, iso, projectId } from "./words";

/** Runs do not expire. */
const NO_TTL = 0;

export function fromListedRun(run: ListedRun): z.input<typeof runRef> {
  const { environment, environmentId, parentId, model, finishReason, executionTimeMs } = run;
  return {
    id: run.id,
    ...(parentId === null ? {} : { parent: parentId }),
    tags: run.tags,
    interaction: { ...fromInteraction(run.interaction), updated_at: iso(run.updatedAtMs) },
    environment: environment ? fromRunEnvironment(environment, run.accountId) : environmentId,
    ...(model === null ? {} : { modelId: model }),
    ttl: NO_TTL,
    status: run.status,
    ...(finishReason === null ? {} : { finish_reason: finishReason }),
    ...fromTokenUse(run.tokenUse),
    ...(executionTimeMs === null ? {} : { execution_time: executionTimeMs }),
    created_at: iso(run.createdAtMs),
    updated_at: iso(run.updatedAtMs),
    account: { id: run.accountId, name: run.accountName },
    project: { id: projectId(run.projectId), name: run.projectName, account: run.accountId },
    config: configOf(run),
    source: sourceOf(run),
    created_by: run.createdBy,
    updated_by: run.createdBy,
  };
}

export function fromRun(run: RetrievedRun): z.input<typeof runAnswer> {
  const { body } = run;
  const listed = fromListedRun(run);
  return {
    ...listed,
    config: { ...listed.config, ...body.config },
    source: { ...listed.source, ...body.source },
    prompt: body.prompt,
    result: body.result,
    parameters: body.parameters ?? {},
    ...(body.resultSchema === undefined ? {} : { result_schema: body.resultSchema }),
    ...(body.error === undefined ? {} : { error: body.error }),
    ...(body.workflow === undefined ? {} : { workflow: body.workflow }),
    ...(body.evaluation === undefined ? {} : { evaluation: body.evaluation }),
  };
}

export function fromExecutedRun(run: RetrievedRun): z.input<typeof executedRun> {
  return {
    ...fromRun(run),
    account: run.accountId,
    project: projectId(run.projectId),
    interaction: run.interaction,
  };
}

/** A segment of safety is the system's word. */
const ROLE_WORDS = { system: "system", safety: "system", user: "user", assistant: "assistant" } as const;

export function toInteraction(body: CreateRun): Interaction {
  const { interaction: name, prompts, config, data: parameters, tags = [], workflow } = body;
  return {
    name,
    environmentId: parseId("", config.environment),
    model: config.model ?? null,
    prompt: prompts.map(({ role, content }) => ({ role: ROLE_WORDS[role], content })),
    options: toOptions(config.model_options),
    tags,
    parameters,
    workflow,
  };
}

/** OpenAI's names; -1 and 0 of `top_k` stand for all tokens. */
function toOptions(sent: CreateRun["config"]["model_options"] = {}): Record<string, unknown> {
  const { _option_id: _, include_thoughts: _thoughts, stop_sequence: stop, top_k: topK, ...options } = sent;
  return { ...options, ...(stop && stop.length > 0 ? { stop } : {}), ...(topK && topK > 0 ? { top_k: topK } : {}) };
}

/** As stored: what a run refers to is its bare id. */
export function fromFoundRun(run: RetrievedRun, select: readonly string[] | null): z.input<typeof foundRun> {
  const whole: Record<string, unknown> = {
    ...fromRun(run),
    account: run.accountId,
    project: projectId(run.projectId),
    interaction: run.interaction,
    environment: run.environmentId ?? undefined,
  };
  if (select === null) return whole;
  return Object.fromEntries(
    ["id", ...select].filter((name) => Object.hasOwn(whole, name)).map((name) => [name, whole[name]]),
  );
}

function fromRunEnvironment(environment: RunEnvironment, account: string) {
  return { ...fromEnvironmentRef(environment), account, ...audit(environment) };
}

/** Interactions are names here and nothing more: what they say has come with the run. */
function fromInteraction(text: string) {
  const [name = text, version = ""] = text.split("@");
  const number = /^\d{1,9}$/.test(version) ? Number(version) : 1;
  return { id: text, name, endpoint: name, status: "unknown", version: number, tags: [] };
}

/** Both vocabularies: `completion` of the documentation, `result` and `total` of the client's types. */
function fromTokenUse(tokens: Record<string, number> | null): { token_use?: Record<string, number> } {
  if (tokens === null) return {};
  const { prompt, total } = tokens;
  const result = tokens["result"] ?? tokens["completion"];
  const sum = prompt === undefined || result === undefined ? total : (total ?? prompt + result);
  return {
    token_use: {
      ...tokens,
      ...(result === undefined ? {} : { result, completion: result }),
      ...(sum === undefined ? {} : { total: sum }),
    },
  };
}

function configOf({ environmentId, model }: ListedRun) {
  return {
    ...(environmentId === null ? {} : { environment: environmentId }),
    ...(model === null ? {} : { model }),
  };
}

/** Whoever made a run, where its source itself is not read or not told. */
function sourceOf({ createdBy }: ListedRun) {
  const principal = createdBy.replace(/^user:/, "");
  return { type: "api", label: "api", principal_type: "apikey", principal_id: principal, client_ip: "" };
}
