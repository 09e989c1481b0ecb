import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../records";
import { jobParams } from "../schema";

export const deleteTrainingJob = defineRoute({
  operationId: "emissary.deleteTrainingJobById",
  method: "delete",
  path: "/v1/projects/{project_id}/training-jobs/{training_job_id}",
  scope: "write",
  summary: "Delete training job",
  description: "Refused until it has ended, and while a job that has not ended trains on from it.",
  tags: ["Training Jobs"],
  params: jobParams,
  firstRead: readJob,
  answer: { status: 204, description: "Training job deleted successfully" },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteJob(jobOf(call));
    return new Response(null, { status: 204 });
  },
});
