import { defineRoute } from "../../../http/define-route";
import { fromDeployment } from "../engine-map";
import { deployment } from "../engine-schema";
import { readDeployment, servedOf } from "../first-read";
import { idParam } from "../schema";

export const getDeploymentRoute = defineRoute({
  operationId: "anneal.getDeployment",
  method: "get",
  path: "/anneal/v1/deployments/{id}",
  summary: "Get a deployment",
  tags: ["Deployments"],
  scope: "read",
  params: idParam,
  firstRead: readDeployment,
  answer: { description: "The deployment.", schema: deployment },
  handler: (call) => Promise.resolve(fromDeployment(servedOf(call))),
});
