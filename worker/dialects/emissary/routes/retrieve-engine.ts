import { defineRoute } from "../../../http/define-route";
import { engineDetail, engineParams } from "../engine-schema";
import { fromEngineDetail } from "../map-engines";
import { engineOf, readEngine } from "../records";
import { MAX_LIST_ITEMS } from "../schema";

export const retrieveEngine = defineRoute({
  operationId: "emissary.getEngine",
  method: "get",
  path: "/v1/engines/{engine_id}",
  scope: "read",
  summary: "Retrieve Inference Engine",
  description: "With its deployments, newest first; those that were undeployed are left out.",
  tags: ["Inference Engines"],
  params: engineParams,
  firstRead: readEngine,
  answer: { description: "The engine", schema: engineDetail },
  handler: async ({ first, principal, services }) => {
    const engine = engineOf({ first });
    const page = await services.listDeployments(principal, { engineId: engine.id }, { limit: MAX_LIST_ITEMS });
    const held = page.items.filter(({ deployment }) => deployment.state !== "terminated");
    return fromEngineDetail(engine, held);
  },
});
