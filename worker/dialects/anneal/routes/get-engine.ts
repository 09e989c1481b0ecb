import { defineRoute } from "../../../http/define-route";
import { fromEngine } from "../engine-map";
import { engine } from "../engine-schema";
import { engineOf, readEngine } from "../first-read";
import { idParam } from "../schema";

export const getEngineRoute = defineRoute({
  operationId: "anneal.getEngine",
  method: "get",
  path: "/anneal/v1/engines/{id}",
  summary: "Get an engine",
  tags: ["Engines"],
  scope: "read",
  params: idParam,
  firstRead: readEngine,
  answer: { description: "The engine.", schema: engine },
  handler: async (call) => {
    const found = engineOf(call);
    const counts = await call.services.deploymentCounts([found]);
    return fromEngine(found, counts.get(found.id) ?? 0);
  },
});
