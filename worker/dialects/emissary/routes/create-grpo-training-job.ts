import { defineRoute } from "../../../http/define-route";
import { createGrpoTrainingJob as body } from "../create-job-schema";
import { principalIn, projectOf, readProject } from "../records";
import { projectParams, trainingJob } from "../schema";
import { submit } from "../submit";
import { toGrpoSpec } from "../to-spec";

export const createGrpoTrainingJob = defineRoute({
  operationId: "emissary.createGRPOTrainingJob",
  method: "post",
  path: "/v1/projects/{project_id}/training-jobs/grpo",
  scope: "write",
  summary: "Create GRPO training job",
  tags: ["Training Jobs"],
  params: projectParams,
  firstRead: readProject,
  body,
  idempotent: true,
  answer: { status: 201, description: "The training job, Pending.", schema: trainingJob },
  errors: ["dataset_format_incompatible"],
  handler: async (call) => submit(call, principalIn(call.principal, projectOf(call)), toGrpoSpec),
});
