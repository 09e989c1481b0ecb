import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { pageParams } from "../../../http/page-params";
import { fromDataset, list } from "../map";
import { datasetList } from "../schema";

export const listDatasets = defineRoute({
  operationId: "veri.listDatasets",
  method: "get",
  path: "/v1/datasets",
  scope: "read",
  summary: "List datasets, newest first",
  tags: ["datasets"],
  query: z.object(pageParams({ prefix: "ds_", defaultLimit: 20, maxLimit: 100 })),
  answer: { description: "A page of datasets.", schema: datasetList },
  handler: async ({ query, principal, services }) => {
    const page = await services.listDatasets(principal, query);
    return list({ ...page, items: page.items.map(fromDataset) });
  },
});
