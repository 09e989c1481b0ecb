import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromDeployment } from "../deployment-map";
import { deployment } from "../deployment-schema";
import { idParams, PREFIX } from "../schema";

export const getDeployment = defineRoute({
  operationId: "veri.getDeployment",
  method: "get",
  path: "/v1/deployments/{id}",
  scope: "read",
  summary: "Get a deployment",
  tags: ["deployments"],
  params: idParams,
  firstRead: readById("deployment", PREFIX.deployment),
  answer: { description: "The deployment.", schema: deployment },
  handler: async ({ first, services }) => {
    const served = found(first.served, "deployment");
    const metrics = await services.deploymentMetrics([served]);
    return fromDeployment(served, metrics.get(served.deployment.id));
  },
});
