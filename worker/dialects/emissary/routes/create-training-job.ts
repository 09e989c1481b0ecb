import { defineRoute } from "../../../http/define-route";
import { createTrainingJob as body } from "../create-job-schema";
import { principalIn, projectOf, readProject } from "../records";
import { projectParams, trainingJob } from "../schema";
import { submit } from "../submit";
import { toSpec } from "../to-spec";

export const createTrainingJob = defineRoute({
  operationId: "emissary.createTrainingJob",
  method: "post",
  path: "/v1/projects/{project_id}/training-jobs",
  scope: "write",
  summary: "Create SFT training job",
  tags: ["Training Jobs"],
  params: projectParams,
  firstRead: readProject,
  body,
  idempotent: true,
  answer: { status: 201, description: "The training job, Pending.", schema: trainingJob },
  errors: ["dataset_format_incompatible"],
  handler: async (call) => submit(call, principalIn(call.principal, projectOf(call)), toSpec),
});
