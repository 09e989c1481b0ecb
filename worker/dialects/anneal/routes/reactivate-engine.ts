import { defineRoute } from "../../../http/define-route";
import { fromEngine } from "../engine-map";
import { engine } from "../engine-schema";
import { engineOf, readEngine } from "../first-read";
import { idParam } from "../schema";

export const reactivateEngineRoute = defineRoute({
  operationId: "anneal.reactivateEngine",
  method: "post",
  path: "/anneal/v1/engines/{id}/reactivate",
  summary: "Bring an inactive engine up",
  tags: ["Engines"],
  scope: "write",
  params: idParam,
  firstRead: readEngine,
  answer: { description: "On its way. One that is up or on its way already is a 409.", schema: engine },
  errors: ["illegal_transition"],
  handler: async (call) => {
    const changed = await call.services.reactivateEngine(engineOf(call));
    const counts = await call.services.deploymentCounts([changed]);
    return fromEngine(changed, counts.get(changed.id) ?? 0);
  },
});
