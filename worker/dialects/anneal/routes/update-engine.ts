import { defineRoute } from "../../../http/define-route";
import { fromEngine, toManagement } from "../engine-map";
import { engine, updateEngine } from "../engine-schema";
import { engineOf, readEngine } from "../first-read";
import { idParam } from "../schema";

export const updateEngineRoute = defineRoute({
  operationId: "anneal.updateEngine",
  method: "patch",
  path: "/anneal/v1/engines/{id}",
  summary: "Change when an engine holds its agents, or how many",
  tags: ["Engines"],
  scope: "write",
  params: idParam,
  body: updateEngine,
  firstRead: readEngine,
  answer: { description: "The engine as it is now.", schema: engine },
  handler: async (call) => {
    const { management, replicas } = call.body;
    const changed = await call.services.configureEngine(engineOf(call), {
      ...(management === undefined ? {} : { management: toManagement(management) }),
      ...(replicas === undefined ? {} : { replicas }),
    });
    const counts = await call.services.deploymentCounts([changed]);
    return fromEngine(changed, counts.get(changed.id) ?? 0);
  },
});
