import { defineRoute } from "../../../http/define-route";
import { listAnswer } from "../listing";
import { projectOf, readProject } from "../records";
import { listQuery, PREFIX, projectParams, trainingJobList } from "../schema";
import { summaries } from "../summaries";

export const listTrainingJobs = defineRoute({
  operationId: "emissary.listTrainingJobs",
  method: "get",
  path: "/v1/projects/{project_id}/training-jobs",
  scope: "read",
  summary: "List training jobs",
  description: "Those of the project, made through whichever API.",
  tags: ["Training Jobs"],
  params: projectParams,
  query: listQuery(PREFIX.job),
  firstRead: readProject,
  answer: { description: "Newest first.", schema: trainingJobList },
  handler: async (call) => {
    const inProject = { projectId: projectOf(call).id };
    const page = await call.services.listJobs(call.principal, inProject, call.query);
    return listAnswer(call, page, PREFIX.job, await summaries(call.services, call.principal, page.items));
  },
});
