import { defineRoute } from "../../../http/define-route";
import { fromDataset, fromPage } from "../map";
import { listOf, listQuery, PREFIX, dataset } from "../schema";

export const listDatasetsRoute = defineRoute({
  operationId: "anneal.listDatasets",
  method: "get",
  path: "/anneal/v1/datasets",
  summary: "List the account's datasets",
  tags: ["Datasets"],
  scope: "read",
  query: listQuery(PREFIX.dataset),
  answer: { description: "Newest first.", schema: listOf(dataset) },
  handler: async ({ services, principal, query }) =>
    fromPage(await services.listDatasets(principal, query), fromDataset),
});
