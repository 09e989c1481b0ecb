import { defineRoute } from "../../../http/define-route";
import { deploymentDetail, deploymentParams } from "../engine-schema";
import { fromDeploymentDetail } from "../map-engines";
import { deploymentOf, readDeployment } from "../records";

export const retrieveDeployment = defineRoute({
  operationId: "emissary.retrieveDeploymentById",
  method: "get",
  path: "/v1/projects/{project_id}/deployments/{deployment_id}",
  scope: "read",
  summary: "Retrieve deployment",
  tags: ["Deployments"],
  params: deploymentParams,
  firstRead: readDeployment,
  answer: { description: "The deployment", schema: deploymentDetail },
  handler: (call) => Promise.resolve(fromDeploymentDetail(deploymentOf(call))),
});
