import { defineRoute } from "../../../http/define-route";
import { fromDatasetDetail } from "../map";
import { datasetOf, readDataset } from "../records";
import { datasetDetail, datasetParams } from "../schema";

export const retrieveDataset = defineRoute({
  operationId: "emissary.retrieveDatasetById",
  method: "get",
  path: "/v1/projects/{project_id}/datasets/{dataset_id}",
  scope: "read",
  summary: "Retrieve dataset",
  tags: ["Datasets"],
  params: datasetParams,
  firstRead: readDataset,
  answer: { description: "The dataset", schema: datasetDetail },
  handler: async (call) => {
    const dataset = datasetOf(call);
    const { url } = await call.services.datasetDownload(dataset, call.origin);
    return fromDatasetDetail(dataset, url);
  },
});
