/** Jobs in brief, with what their records only have ids of. */
import type { z } from "@hono/zod-openapi";
import type { Principal } from "../../domain/accounts";
import type { JobRecord } from "../../domain/job";
import type { Services } from "../../services/services";
import { fromJob } from "./map";
import type { trainingJob } from "./schema";

export async function summaries(
  services: Services,
  principal: Principal,
  jobs: JobRecord[],
): Promise<z.input<typeof trainingJob>[]> {
  const [names, progress] = await Promise.all([services.jobNames(principal, jobs), services.jobProgress(jobs)]);
  return jobs.map((job, index) => fromJob(job, progress[index] ?? job.progress, names));
}
