import { deployedModelField } from "../../../domain/deployed-model";
import { defineRoute } from "../../../http/define-route";
import { renamedFields } from "../../../http/renamed-fields";
import { fromDeployment, toDeploymentRequest, toPlacement } from "../engine-map";
import { createDeployment, deployment } from "../engine-schema";

export const createDeploymentRoute = defineRoute({
  operationId: "anneal.createDeployment",
  method: "post",
  path: "/anneal/v1/deployments",
  summary: "Deploy a model on an engine of its own",
  tags: ["Deployments"],
  scope: "write",
  body: createDeployment,
  answer: { status: 201, description: "On its way.", schema: deployment },
  errors: ["not_found", "conflict"],
  handler: async ({ services, principal, body }) => {
    const create = () => services.createDeployment(principal, toDeploymentRequest(body), toPlacement(body));
    return fromDeployment(await renamedFields(deployedModelField, create));
  },
});
