import { defineRoute } from "../../../http/define-route";
import { deploymentParams } from "../engine-schema";
import { inEngineWords } from "../errors";
import { deploymentOf, readDeployment } from "../records";

export const reactivateDeployment = defineRoute({
  operationId: "emissary.reactivateDeploymentById",
  method: "post",
  path: "/v1/projects/{project_id}/deployments/{deployment_id}/reactivate",
  scope: "write",
  summary: "Reactivate deployment",
  description: "Refused (400) when it is deployed, or on its way. One that has failed is tried again.",
  tags: ["Deployments"],
  params: deploymentParams,
  firstRead: readDeployment,
  answer: { status: 204, description: "Deployment reactivated successfully" },
  handler: async (call) => {
    await inEngineWords(() => call.services.reactivateDeployment(deploymentOf(call)));
    return new Response(null, { status: 204 });
  },
});
