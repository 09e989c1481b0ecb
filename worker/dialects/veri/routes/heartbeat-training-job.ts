import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { jobStatus } from "../map";
import { idParams, trainingJobStatus } from "../schema";

/** The published client beats every 30 s while it waits; a job here does not depend on whoever is waiting for it. */
export const heartbeatTrainingJob = defineRoute({
  operationId: "veri.heartbeatTrainingJob",
  method: "post",
  path: "/v1/training_jobs/{id}/heartbeat",
  scope: "read",
  summary: "Say that a client is still waiting for a training job",
  tags: ["training_jobs"],
  params: idParams,
  firstRead: readById("job", "job_"),
  answer: { description: "The job's status.", schema: trainingJobStatus },
  handler: async ({ first }) => jobStatus(found(first.job, "training job")),
});
