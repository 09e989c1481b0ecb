import { deployedModelField } from "../../../domain/deployed-model";
import { defineRoute } from "../../../http/define-route";
import { renamedFields } from "../../../http/renamed-fields";
import { fromDeployment, toDeploymentRequest } from "../engine-map";
import { deployment, deployOnEngine } from "../engine-schema";
import { engineOf, readEngine } from "../first-read";
import { idParam } from "../schema";

export const deployOnEngineRoute = defineRoute({
  operationId: "anneal.deployOnEngine",
  method: "post",
  path: "/anneal/v1/engines/{id}/deployments",
  summary: "Deploy a model on an engine",
  description: "Its base model and its task must be the engine's; LoRA adapters share the base.",
  tags: ["Deployments"],
  scope: "write",
  params: idParam,
  body: deployOnEngine,
  firstRead: readEngine,
  answer: { status: 201, description: "On its way.", schema: deployment },
  errors: ["conflict"],
  handler: async (call) => {
    const { services, principal, body } = call;
    const deploy = () => services.deployOn(principal, engineOf(call), toDeploymentRequest(body));
    return fromDeployment(await renamedFields(deployedModelField, deploy));
  },
});
