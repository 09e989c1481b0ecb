import { defineRoute } from "../../../http/define-route";
import { functionOf, readFunction } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteFunctionRoute = defineRoute({
  operationId: "anneal.deleteFunction",
  method: "delete",
  path: "/anneal/v1/functions/{id}",
  summary: "Delete a function",
  tags: ["Functions"],
  scope: "write",
  params: idParam,
  firstRead: readFunction,
  answer: { description: "Gone. One that a job needs which has not ended is a 409.", schema: deleted },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteFunction(functionOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
