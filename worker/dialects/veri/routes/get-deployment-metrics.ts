import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromDeploymentMetrics } from "../deployment-map";
import { deploymentMetrics } from "../deployment-schema";
import { idParams, PREFIX } from "../schema";

export const getDeploymentMetrics = defineRoute({
  operationId: "veri.getDeploymentMetrics",
  method: "get",
  path: "/v1/deployments/{id}/metrics",
  scope: "read",
  summary: "What a deployment has answered so far, and how quickly",
  tags: ["deployments"],
  params: idParams,
  firstRead: readById("deployment", PREFIX.deployment),
  answer: { description: "Sums of its whole life; percentiles of its last requests.", schema: deploymentMetrics },
  handler: async ({ first, services }) => {
    const served = found(first.served, "deployment");
    const metrics = await services.deploymentMetrics([served]);
    return fromDeploymentMetrics(served, metrics.get(served.deployment.id));
  },
});
