import { defineRoute } from "../../../http/define-route";
import { datasetOf, readDataset } from "../records";
import { datasetParams } from "../schema";

export const deleteDataset = defineRoute({
  operationId: "emissary.deleteDatasetById",
  method: "delete",
  path: "/v1/projects/{project_id}/datasets/{dataset_id}",
  scope: "write",
  summary: "Delete dataset",
  description: "Refused while a training job that has not ended uses it.",
  tags: ["Datasets"],
  params: datasetParams,
  firstRead: readDataset,
  answer: { status: 204, description: "Dataset deleted successfully" },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteDataset(datasetOf(call));
    return new Response(null, { status: 204 });
  },
});
