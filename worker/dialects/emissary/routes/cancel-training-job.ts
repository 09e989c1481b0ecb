import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../records";
import { jobParams } from "../schema";

export const cancelTrainingJob = defineRoute({
  operationId: "emissary.cancelTrainingJobById",
  method: "post",
  path: "/v1/projects/{project_id}/training-jobs/{training_job_id}/cancel",
  scope: "write",
  summary: "Cancel training job",
  tags: ["Training Jobs"],
  params: jobParams,
  firstRead: readJob,
  answer: { status: 204, description: "Training job canceled successfully" },
  errors: ["not_cancellable"],
  handler: async (call) => {
    await call.services.cancelJob(jobOf(call));
    return new Response(null, { status: 204 });
  },
});
