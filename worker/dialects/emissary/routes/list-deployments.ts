import { defineRoute } from "../../../http/define-route";
import { listAnswer } from "../listing";
import { fromDeployment } from "../map-engines";
import { projectOf, readProject } from "../records";
import { deploymentList, listQuery, PREFIX, projectParams } from "../schema";

export const listDeployments = defineRoute({
  operationId: "emissary.listDeployments",
  method: "get",
  path: "/v1/projects/{project_id}/deployments",
  scope: "read",
  summary: "List deployments",
  description: "Those of the project, made through whichever API.",
  tags: ["Deployments"],
  params: projectParams,
  query: listQuery(PREFIX.deployment),
  firstRead: readProject,
  answer: { description: "Newest first.", schema: deploymentList },
  handler: async (call) => {
    const inProject = { projectId: projectOf(call).id };
    const { items, hasMore } = await call.services.listDeployments(call.principal, inProject, call.query);
    const page = { items: items.map((served) => served.deployment), hasMore };
    return listAnswer(call, page, PREFIX.deployment, items.map(fromDeployment));
  },
});
