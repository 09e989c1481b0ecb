/** A run: a recorded execution of a prompt, imported or, once inference is served, stored by a call. */

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
}

export interface RunRecord extends RunSummary {
  body: RunBody;
}

/** A row of an import is one line of at most so much. */
export const MAX_RUN_BYTES = 1024 * 1024;
