/** Which checkpoints of a job are still to be tested. A step has one test, whatever checkpoints are of it. */
import type { CheckpointRecord } from "../domain/artifacts";
import type { CheckpointStore } from "../domain/ports";

/** In the order of their steps. One that proved bad has nothing to test. */
export async function untestedCheckpoints(
  { checkpoints }: { checkpoints: CheckpointStore },
  jobId: string,
): Promise<CheckpointRecord[]> {
  const [models, tests] = await Promise.all([checkpoints.withOrdinals(jobId), checkpoints.tests(jobId)]);
  const seen = new Set(tests.map(({ step }) => step));
  const untested = models.filter(({ state, step }) => {
    if (state !== "committed" || seen.has(step)) return false;
    seen.add(step);
    return true;
  });
  return untested.sort((a, b) => a.step - b.step);
}
