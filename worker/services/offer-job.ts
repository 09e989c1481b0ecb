/** The direct wake: tells one idle agent that fits that there is work. A hint; the claim decides. */
import { taskNeeds } from "../domain/gpu";
import type { JobRecord } from "../domain/job";
import type { AgentDirectory, AgentStore, JobStore } from "../domain/ports";
import { servesEngine } from "./serves-engine";

/** The direct wake comes first; the queue's message is for when it finds no idle agent or is lost. */
export const DISPATCH_DELAY_SECONDS = 3;

/** How many idle agents are tried before the message and the sweep are left to do it. */
const MAX_WAKES = 5;

export type OfferJob = (job: JobRecord) => Promise<void>;

export async function offerJob(
  ports: { agents: AgentStore; jobs: JobStore; directory: AgentDirectory; substituteGpus: boolean },
  job: JobRecord,
): Promise<void> {
  if (job.spec.provider !== null && job.spec.provider !== "local") return;
  const idle = await ports.agents.findIdle(job.accountId, taskNeeds(job), ports.substituteGpus, MAX_WAKES);
  for (const agentId of idle) {
    if (await servesEngine(ports, agentId, job)) continue;
    if (await ports.directory.wake(agentId, job.task.id)) return;
  }
}
