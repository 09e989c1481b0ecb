import { defineRoute } from "../../../http/define-route";
import { deploymentParams } from "../engine-schema";
import { deploymentOf, readDeployment } from "../records";

export const deleteDeployment = defineRoute({
  operationId: "emissary.deleteDeploymentById",
  method: "delete",
  path: "/v1/projects/{project_id}/deployments/{deployment_id}",
  scope: "write",
  summary: "Delete deployment",
  tags: ["Deployments"],
  params: deploymentParams,
  firstRead: readDeployment,
  answer: { status: 204, description: "Deployment deleted successfully" },
  handler: async (call) => {
    await call.services.deleteDeployment(deploymentOf(call));
    return new Response(null, { status: 204 });
  },
});
