import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { jobStatus } from "../map";
import { idParams, trainingJobStatus } from "../schema";

export const cancelTrainingJob = defineRoute({
  operationId: "veri.cancelTrainingJob",
  method: "post",
  path: "/v1/training_jobs/{id}/cancel",
  scope: "write",
  summary: "Cancel a training job that has not ended",
  tags: ["training_jobs"],
  params: idParams,
  firstRead: readById("job", "job_"),
  answer: { description: "The job's new status.", schema: trainingJobStatus },
  errors: ["not_cancellable"],
  handler: async ({ first, services }) => jobStatus(await services.cancelJob(found(first.job, "training job"))),
});
