import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromDataset } from "../map";
import { dataset, idParams } from "../schema";

export const getDataset = defineRoute({
  operationId: "veri.getDataset",
  method: "get",
  path: "/v1/datasets/{id}",
  scope: "read",
  summary: "Get a dataset",
  tags: ["datasets"],
  params: idParams,
  firstRead: readById("dataset", "ds_"),
  answer: { description: "The dataset.", schema: dataset },
  handler: async ({ first }) => fromDataset(found(first.dataset, "dataset")),
});
