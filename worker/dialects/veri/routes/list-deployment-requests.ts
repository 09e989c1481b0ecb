import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { plainPageParams } from "../../../http/page-params";
import { fromRequest } from "../deployment-map";
import { deploymentRequestList } from "../deployment-schema";
import { list } from "../map";
import { idParams, PREFIX } from "../schema";

export const listDeploymentRequests = defineRoute({
  operationId: "veri.listDeploymentRequests",
  method: "get",
  path: "/v1/deployments/{id}/requests",
  scope: "read",
  summary: "List the requests that a deployment has answered or refused, newest first",
  tags: ["deployments"],
  params: idParams,
  query: z.object(plainPageParams({ defaultLimit: 50, maxLimit: 100 })),
  firstRead: readById("deployment", PREFIX.deployment),
  answer: { description: "A page of the last 10,000.", schema: deploymentRequestList },
  handler: async ({ first, query, services }) => {
    const page = await services.deploymentRequests(found(first.served, "deployment"), query);
    return list({ ...page, items: page.items.map(fromRequest) });
  },
});
