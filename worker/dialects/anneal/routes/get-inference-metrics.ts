import { defineRoute } from "../../../http/define-route";
import { fromInferenceMetrics } from "../engine-map";
import { inferenceMetrics } from "../engine-schema";
import { readDeployment, servedOf } from "../first-read";
import { idParam } from "../schema";

export const getInferenceMetricsRoute = defineRoute({
  operationId: "anneal.getInferenceMetrics",
  method: "get",
  path: "/anneal/v1/deployments/{id}/metrics",
  summary: "What a deployment has answered so far, and how quickly",
  tags: ["Deployments"],
  scope: "read",
  params: idParam,
  firstRead: readDeployment,
  answer: { description: "The sums.", schema: inferenceMetrics },
  handler: async (call) => {
    const served = servedOf(call);
    const metrics = await call.services.deploymentMetrics([served]);
    return fromInferenceMetrics(metrics.get(served.deployment.id));
  },
});
