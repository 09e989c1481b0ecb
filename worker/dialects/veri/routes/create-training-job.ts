import { defineRoute } from "../../../http/define-route";
import { createTrainingJobBody } from "../create-job-schema";
import { fromNewJob, toSpec } from "../map";
import { trainingJob } from "../schema";

export const createTrainingJob = defineRoute({
  operationId: "veri.createTrainingJob",
  method: "post",
  path: "/v1/training_jobs",
  scope: "write",
  summary: "Create a training job",
  tags: ["training_jobs"],
  body: createTrainingJobBody,
  idempotent: true,
  answer: { description: "The job, queued, with its hyperparameters' defaults filled in.", schema: trainingJob },
  errors: ["not_found", "dataset_format_incompatible"],
  handler: async ({ body, principal, services, idempotency }) =>
    fromNewJob(await services.submitJob(principal, toSpec(body), await idempotency())),
});
