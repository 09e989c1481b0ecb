import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { filteredPage } from "../../../http/filtered-page";
import { pageParams } from "../../../http/page-params";
import { deploymentWord, fromDeployment } from "../deployment-map";
import { DEPLOYMENT_STATUSES, deploymentList } from "../deployment-schema";
import { list } from "../map";
import { PREFIX } from "../schema";

export const listDeployments = defineRoute({
  operationId: "veri.listDeployments",
  method: "get",
  path: "/v1/deployments",
  scope: "read",
  summary: "List deployments, newest first",
  tags: ["deployments"],
  query: z.object({
    ...pageParams({ prefix: PREFIX.deployment, defaultLimit: 50, maxLimit: 100 }),
    status: z.enum(DEPLOYMENT_STATUSES).optional(),
  }),
  answer: { description: "A page of deployments.", schema: deploymentList },
  handler: async ({ query, principal, services }) => {
    const { status, ...page } = query;
    const read = services.listDeployments.bind(services, principal, {});
    const found = await (status === undefined
      ? read(page)
      : filteredPage(page, read, {
          keep: (served) => deploymentWord(served) === status,
          idOf: ({ deployment }) => deployment.id,
        }));
    const metrics = await services.deploymentMetrics(found.items);
    const items = found.items.map((served) => fromDeployment(served, metrics.get(served.deployment.id)));
    return list({ ...found, items });
  },
});
