import { DomainError } from "../../../domain/errors";
import type { JobRecord } from "../../../domain/job";
import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import type { Services } from "../../../services/services";
import { fromJob } from "../map";
import { idParams, trainingJob } from "../schema";

export const getTrainingJob = defineRoute({
  operationId: "veri.getTrainingJob",
  method: "get",
  path: "/v1/training_jobs/{id}",
  scope: "read",
  summary: "Get a training job",
  tags: ["training_jobs"],
  params: idParams,
  firstRead: readById("job", "job_"),
  answer: { description: "The job.", schema: trainingJob },
  handler: async ({ first, services, origin }) => {
    const job = found(first.job, "training job");
    return fromJob(job, await downloadUrl(job, services, origin));
  },
});

/** The contract: surfaced on completed jobs when the checkpoint can be resolved. */
async function downloadUrl(job: JobRecord, services: Services, origin: string): Promise<string | null> {
  if (job.status !== "completed") return null;
  try {
    return (await services.modelArchive(job, origin)).archiveUrl;
  } catch (error) {
    if (error instanceof DomainError) return null;
    throw error;
  }
}
