import { defineRoute } from "../../../http/define-route";
import { datasetOf, readDataset } from "../first-read";
import { fromDataset } from "../map";
import { dataset, idParam } from "../schema";

export const getDatasetRoute = defineRoute({
  operationId: "anneal.getDataset",
  method: "get",
  path: "/anneal/v1/datasets/{id}",
  summary: "Get a dataset",
  tags: ["Datasets"],
  scope: "read",
  params: idParam,
  firstRead: readDataset,
  answer: { description: "The dataset.", schema: dataset },
  handler: async (call) => Promise.resolve(fromDataset(datasetOf(call))),
});
