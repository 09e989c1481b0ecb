import { defineRoute } from "../../../http/define-route";
import { listAnswer } from "../listing";
import { fromDataset } from "../map";
import { projectOf, readProject } from "../records";
import { datasetList, listQuery, PREFIX, projectParams } from "../schema";

export const listDatasets = defineRoute({
  operationId: "emissary.listDatasets",
  method: "get",
  path: "/v1/projects/{project_id}/datasets",
  scope: "read",
  summary: "List datasets",
  tags: ["Datasets"],
  params: projectParams,
  query: listQuery(PREFIX.dataset),
  firstRead: readProject,
  answer: { description: "Newest first.", schema: datasetList },
  handler: async (call) => {
    const inProject = { projectId: projectOf(call).id };
    const page = await call.services.listDatasets(call.principal, call.query, inProject);
    return listAnswer(call, page, PREFIX.dataset, page.items.map(fromDataset));
  },
});
