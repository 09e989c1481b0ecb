import { defineRoute } from "../../../http/define-route";
import { engineParams, undeploy as body } from "../engine-schema";
import { namedInBody } from "../errors";
import { engineOf, readEngine } from "../records";

export const undeployFromEngine = defineRoute({
  operationId: "emissary.unDeployFromEngine",
  method: "post",
  path: "/v1/engines/{engine_id}/undeploy",
  scope: "write",
  summary: "Undeploy from Inference Engine",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  body,
  answer: { status: 204, description: "Undeployed Successfully" },
  handler: async ({ body: { deployment_name: name }, first, services }) => {
    const engine = engineOf({ first });
    await namedInBody("deployment_name", () => services.undeploy(engine, name));
    return new Response(null, { status: 204 });
  },
});
