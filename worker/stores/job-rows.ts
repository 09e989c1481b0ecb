/** Rows of `jobs` joined with `tasks` ⇄ the domain's job. */
import { getTableColumns, sql } from "drizzle-orm";
import type { JobRecord, TaskRecord } from "../domain/job";
import type { JobStatus } from "../domain/job-state";
import { jobs, tasks } from "./schema";

/** Every column has a name of its own: D1's batches answer with objects, in which two `id`s would be one. */
export const joinedJob = {
  ...getTableColumns(jobs),
  taskId: sql<string>`${tasks.id}`.as("task_id"),
  taskKind: tasks.kind,
  taskEpoch: tasks.epoch,
  taskAttempt: tasks.attempt,
  taskAgentId: tasks.agentId,
};

export type JoinedJob = typeof jobs.$inferSelect & {
  taskId: string;
  taskKind: TaskRecord["kind"];
  taskEpoch: number;
  taskAttempt: number;
  taskAgentId: string | null;
};

export function toJob(row: JoinedJob): JobRecord {
  const {
    baseModelRef: _ref,
    gpuType,
    gpuCount,
    tickedAtMs: _ticked,
    seenAtMs: _seen,
    deletedAtMs: _deleted,
    ...rest
  } = row;
  const { taskId: id, taskKind: kind, taskEpoch: epoch, taskAttempt: attempt, taskAgentId: agentId, ...job } = rest;
  return {
    ...job,
    gpu: gpuType === null || gpuCount === null ? null : { type: gpuType, count: gpuCount },
    task: { id, kind, epoch, attempt, agentId },
  };
}

export function toRows(job: JobRecord): { job: typeof jobs.$inferInsert; task: typeof tasks.$inferInsert } {
  const { gpu, task, ...rest } = job;
  return {
    job: {
      ...rest,
      baseModelRef: job.spec.base_model,
      gpuType: gpu?.type ?? null,
      gpuCount: gpu?.count ?? null,
      tickedAtMs: job.createdAtMs,
      seenAtMs: null,
    },
    task: {
      ...task,
      jobId: job.id,
      accountId: job.accountId,
      state: taskState(job.status),
      gpuType: job.spec.gpu.type,
      gpuCount: job.spec.gpu.count,
      provider: job.spec.provider,
      serveBytes: job.spec.serve?.memory_bytes ?? null,
    },
  };
}

/** What a task's row says for each status of its job. */
export function taskState(status: JobStatus): typeof tasks.$inferSelect.state {
  switch (status) {
    case "queued":
      return "queued";
    case "provisioning":
    case "running":
    case "testing":
      return "leased";
    case "paused":
      return "held";
    case "completed":
    case "failed":
    case "timed_out":
    case "cancelled":
      return "ended";
  }
}
