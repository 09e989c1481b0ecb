import type { JobRecord } from "../domain/job";
import type { JobStore } from "../domain/ports";

/** Whether the agent has a task of the job's engine: a second copy on one machine would end with it, and is no faster. */
export async function servesEngine(
  { jobs }: { jobs: Pick<JobStore, "heldBy" | "load"> },
  agentId: string,
  { id, spec: { serve } }: JobRecord,
): Promise<boolean> {
  if (!serve) return false;
  const others = (await jobs.heldBy(agentId)).filter((held) => held !== id);
  const held = await Promise.all(others.map((other) => jobs.load(other)));
  return held.some((job) => job?.spec.serve?.engine_id === serve.engine_id);
}
