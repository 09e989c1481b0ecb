/** Rows of `jobs` joined with `tasks` ⇄ the domain's job. */
import type { JobRecord } from "../domain/job";
import type { JobStatus } from "../domain/job-state";
import { jobs, tasks } from "./schema";

export const joinedJob = { job: jobs, task: tasks };

export interface JobRow {
  job: typeof jobs.$inferSelect;
  task: typeof tasks.$inferSelect;
}

export function toJob({ job, task }: JobRow): JobRecord {
  const { baseModelRef: _ref, gpuType, gpuCount, tickedAtMs: _ticked, seenAtMs: _seen, ...rest } = job;
  return {
    ...rest,
    gpu: gpuType === null || gpuCount === null ? null : { type: gpuType, count: gpuCount },
    task: { id: task.id, kind: task.kind, epoch: task.epoch, attempt: task.attempt, agentId: task.agentId },
  };
}

export function toRows(job: JobRecord): JobRow {
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
