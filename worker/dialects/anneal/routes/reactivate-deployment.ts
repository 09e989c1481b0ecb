import { defineRoute } from "../../../http/define-route";
import { fromDeployment } from "../engine-map";
import { deployment } from "../engine-schema";
import { readDeployment, servedOf } from "../first-read";
import { idParam } from "../schema";

export const reactivateDeploymentRoute = defineRoute({
  operationId: "anneal.reactivateDeployment",
  method: "post",
  path: "/anneal/v1/deployments/{id}/reactivate",
  summary: "Wake a deployment's engine, or try one again that has failed",
  tags: ["Deployments"],
  scope: "write",
  params: idParam,
  firstRead: readDeployment,
  answer: { description: "On its way. One that is deployed or on its way already is a 409.", schema: deployment },
  errors: ["illegal_transition"],
  handler: async (call) => fromDeployment(await call.services.reactivateDeployment(servedOf(call))),
});
