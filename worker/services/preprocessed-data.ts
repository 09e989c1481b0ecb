/** The preprocess task that a training names: completed, the account's own, and of the very data that is trained on. */
import type { JobSpec } from "../../protocol";
import type { Principal } from "../domain/accounts";
import { DomainError, invalid } from "../domain/errors";
import type { JobStore, SpecStore } from "../domain/ports";
import { preprocessedMisfit } from "../domain/task-kinds";

const FIELD = "preprocessed_by";

/** Throws naming `preprocessed_by`. */
export async function checkPreprocessed(
  ports: { jobs: JobStore; specs: SpecStore },
  { accountId }: Principal,
  taskId: string,
  spec: JobSpec,
): Promise<void> {
  const made = await ports.jobs.get(accountId, taskId);
  if (!made) throw new DomainError("not_found", "the preprocess task was not found", { field: FIELD });
  if (made.task.kind !== "preprocess")
    throw invalid(FIELD, `must name a preprocess task; this one is a ${made.task.kind} task`);
  if (made.status !== "completed") throw invalid(FIELD, `names a task that has not completed; it is ${made.status}`);
  const misfit = preprocessedMisfit(await ports.specs.read(made), spec);
  if (misfit !== null) throw invalid(FIELD, `names data that was made with another ${misfit}; preprocess again`);
}
