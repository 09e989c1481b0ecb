import { defineRoute } from "../../../http/define-route";
import { fromEngine } from "../engine-map";
import { engine } from "../engine-schema";
import { engineOf, readEngine } from "../first-read";
import { idParam } from "../schema";

export const deactivateEngineRoute = defineRoute({
  operationId: "anneal.deactivateEngine",
  method: "post",
  path: "/anneal/v1/engines/{id}/deactivate",
  summary: "Give an engine's agents back",
  tags: ["Engines"],
  scope: "write",
  params: idParam,
  firstRead: readEngine,
  answer: {
    description: "Inactive: a request wakes it again, or its schedule. One that is inactive already is a 409.",
    schema: engine,
  },
  errors: ["illegal_transition"],
  handler: async (call) => {
    const changed = await call.services.deactivateEngine(engineOf(call));
    const counts = await call.services.deploymentCounts([changed]);
    return fromEngine(changed, counts.get(changed.id) ?? 0);
  },
});
