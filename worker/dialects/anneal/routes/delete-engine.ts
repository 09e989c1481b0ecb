import { defineRoute } from "../../../http/define-route";
import { engineOf, readEngine } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteEngineRoute = defineRoute({
  operationId: "anneal.deleteEngine",
  method: "delete",
  path: "/anneal/v1/engines/{id}",
  summary: "Delete an engine with its deployments",
  tags: ["Engines"],
  scope: "write",
  params: idParam,
  firstRead: readEngine,
  answer: { description: "Gone; requests that were being answered end with an error.", schema: deleted },
  handler: async (call) => {
    await call.services.deleteEngine(engineOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
