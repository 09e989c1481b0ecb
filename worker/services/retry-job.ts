/**
 * Tries an ended job again, as a new job: an ended one has no moves. The spec is the old one's; where it begins is the
 * caller's choice.
 */
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { isTerminal } from "../domain/job-state";
import type { CheckpointStore } from "../domain/ports";
import { createJob, earlierAnswer, type CreatePorts } from "./create-job";
import { checkInputs, type InputPorts } from "./job-inputs";
import type { Idempotency, RetryRequest } from "./services";

export interface RetryPorts extends CreatePorts, InputPorts {
  checkpoints: CheckpointStore;
}

/** Throws `illegal_transition` unless the job has failed, timed out or was cancelled; `conflict` when what it was made of is gone. */
export async function retryJob(
  ports: RetryPorts,
  old: JobRecord,
  request: RetryRequest,
  idempotency: Idempotency | null,
): Promise<JobRecord> {
  // The same key for another job's retry is another request.
  const once = idempotency && { ...idempotency, route: `${idempotency.route} ${old.id}` };
  const earlier = once ? await earlierAnswer(ports, old.accountId, once) : null;
  if (earlier) return earlier;
  if (old.task.kind === "serve") {
    throw new DomainError("illegal_transition", "a task that serves is not tried again: reactivate its engine");
  }
  if (!isTerminal(old.status)) {
    throw new DomainError("illegal_transition", `the job has not ended: it is ${old.status}`);
  }
  if (old.status === "completed") {
    throw new DomainError("illegal_transition", "the job has completed; there is nothing to try again");
  }
  const { accountId, projectId, baseModel } = old;
  const seconds = request.maxDurationSeconds;
  const whole = await ports.specs.read(old);
  await checkInputs(ports, accountId, whole);
  const spec = seconds === undefined ? whole : { ...whole, max_duration_seconds: seconds };
  const startJobId = request.from === "start" ? null : await startOf(ports, old);
  const { kind } = old.task;
  return createJob(ports, { accountId, kind, projectId, baseModel, spec, retryOf: old.id, startJobId }, once);
}

/** Whose checkpoint the old job would have gone on from: its own, else that of the job which it had tried again. */
async function startOf({ checkpoints }: RetryPorts, old: JobRecord): Promise<string | null> {
  return (await checkpoints.newestResume(old.id)) ? old.id : old.startJobId;
}
