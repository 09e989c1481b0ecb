import { defineRoute } from "../../../http/define-route";
import { fromJobDetail } from "../map";
import { jobOf, readJob } from "../records";
import { jobParams, trainingJobDetail } from "../schema";

const MAX_LOSS_POINTS = 1000;

export const retrieveTrainingJob = defineRoute({
  operationId: "emissary.retrieveTrainingJobById",
  method: "get",
  path: "/v1/projects/{project_id}/training-jobs/{training_job_id}",
  scope: "read",
  summary: "Retrieve training job",
  tags: ["Training Jobs"],
  params: jobParams,
  firstRead: readJob,
  answer: { description: "The training job", schema: trainingJobDetail },
  handler: async (call) => {
    const { principal, services } = call;
    const job = await services.wholeJob(jobOf(call));
    const [names, [progress], loss] = await Promise.all([
      services.jobNames(principal, [job]),
      services.jobProgress([job]),
      services.trainingLoss(job, MAX_LOSS_POINTS),
    ]);
    return fromJobDetail(job, progress ?? job.progress, names, loss);
  },
});
