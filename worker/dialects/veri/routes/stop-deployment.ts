import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromDeployment } from "../deployment-map";
import { deployment } from "../deployment-schema";
import { idParams, PREFIX } from "../schema";

export const stopDeployment = defineRoute({
  operationId: "veri.stopDeployment",
  method: "post",
  path: "/v1/deployments/{id}/stop",
  scope: "write",
  summary: "Stop a deployment for good",
  description: "Its GPUs are given back, and its name is free again. Stopping it twice is the same as once.",
  tags: ["deployments"],
  params: idParams,
  firstRead: readById("deployment", PREFIX.deployment),
  answer: { description: "The deployment, stopped.", schema: deployment },
  handler: async ({ first, services }) => {
    const served = found(first.served, "deployment");
    const isStopped = served.deployment.state === "terminated";
    const stopped = isStopped ? served : await services.stopDeployment(served);
    const metrics = await services.deploymentMetrics([stopped]);
    return fromDeployment(stopped, metrics.get(stopped.deployment.id));
  },
});
