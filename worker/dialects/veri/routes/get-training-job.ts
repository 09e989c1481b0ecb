import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
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
    // The contract: surfaced on completed jobs when the checkpoint can be resolved.
    const model = await services.modelArchive(job, origin);
    return fromJob(await services.wholeJob(job), model?.archiveUrl ?? null);
  },
});
