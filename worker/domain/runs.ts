/** A run: a recorded execution of a prompt, imported or stored by a call. */
import type { EnvironmentRecord } from "./environments";

export const RUN_STATUSES = ["created", "processing", "completed", "failed"] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export interface PromptSegment {
  role: string;
  content: string;
}

export interface RunResult {
  type: string;
  value: unknown;
}

/** What lists read. */
export interface RunSummary {
  id: string;
  accountId: string;
  projectId: string;
  interaction: string;
  status: RunStatus;
  environmentId: string | null;
  model: string | null;
  tags: string[];
  parentId: string | null;
  /** Whether it has something that a model could learn to say. */
  hasResult: boolean;
  tokenUse: Record<string, number> | null;
  executionTimeMs: number | null;
  finishReason: string | null;
  createdBy: string;
  createdAtMs: number;
  updatedAtMs: number;
}

/** The rest of a run: one JSON column, read when one run is retrieved or training data is built. */
export interface RunBody {
  prompt: PromptSegment[];
  result: RunResult[];
  parameters?: unknown;
  config?: Record<string, unknown>;
  resultSchema?: unknown;
  error?: Record<string, unknown>;
  source?: Record<string, unknown>;
  /** Of another system, kept as they came. */
  workflow?: Record<string, unknown>;
  evaluation?: Record<string, unknown>;
}

export interface RunRecord extends RunSummary {
  body: RunBody;
}

export type RunEnvironment = Pick<
  EnvironmentRecord,
  "id" | "name" | "provider" | "createdBy" | "updatedBy" | "createdAtMs" | "updatedAtMs"
>;

/** What a run's references are called, as read with it. */
export interface RunRefs {
  /** null: it names none. */
  environment: RunEnvironment | null;
  accountName: string;
  projectName: string;
}

export type ListedRun = RunSummary & RunRefs;
export type RetrievedRun = RunRecord & RunRefs;

/** All that is set must hold; a list says that one of its values does, and an empty one is never true. */
export interface RunFilter {
  ids?: string[];
  interactions?: string[];
  statuses?: RunStatus[];
  models?: string[];
  environmentIds?: string[];
  finishReasons?: string[];
  createdBy?: string[];
  parentIds?: string[];
  /** Runs without a parent, or those with one. */
  isRoot?: boolean;
  anyTag?: string[];
  allTags?: string[];
  noTag?: string[];
  workflowRunIds?: string[];
  workflowIds?: string[];
  /** Created at or after, and before. */
  fromMs?: number;
  beforeMs?: number;
}

export const RUN_ORDERS = ["created_at", "updated_at", "execution_time"] as const;

/** The contract pages by offset. Without `order`, newest first. */
export interface RunPage {
  limit: number;
  offset: number;
  order?: { by: (typeof RUN_ORDERS)[number]; direction: "asc" | "desc" };
}

/** What runs can be counted by. */
export const RUN_FACETS = ["environment", "interaction", "modelId", "status", "finish_reason"] as const;
export type RunFacet = (typeof RUN_FACETS)[number];

export interface FacetBucket {
  value: string | null;
  count: number;
}

/** A row of an import is one line of at most so much. */
export const MAX_RUN_BYTES = 1024 * 1024;

/** Whether there is something in it that a model could learn to say. */
export function isTeachable(result: RunResult[]): boolean {
  return result.some(({ type, value }) =>
    type === "text" ? typeof value === "string" && /\S/.test(value) : type === "json" && value != null,
  );
}
