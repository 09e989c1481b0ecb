import { defineRoute } from "../../../http/define-route";
import { fromCheckpoint } from "../map";
import { jobOf, readJob } from "../records";
import { checkpointList, jobParams } from "../schema";

export const listCheckpoints = defineRoute({
  operationId: "emissary.listCheckpoints",
  method: "get",
  path: "/v1/projects/{project_id}/training-jobs/{training_job_id}/checkpoints",
  scope: "read",
  summary: "List checkpoints",
  description: "One an epoch, in their order; with test results once it has been tested.",
  tags: ["Training Jobs"],
  params: jobParams,
  firstRead: readJob,
  answer: { description: "The checkpoints", schema: checkpointList },
  handler: async (call) => (await call.services.testedCheckpoints(jobOf(call), call.origin)).map(fromCheckpoint),
});
