import { defineRoute } from "../../../http/define-route";
import { functionOf, readFunction } from "../first-read";
import { fromFunction } from "../map";
import { fn, idParam } from "../schema";

export const getFunctionRoute = defineRoute({
  operationId: "anneal.getFunction",
  method: "get",
  path: "/anneal/v1/functions/{id}",
  summary: "Get a function",
  tags: ["Functions"],
  scope: "read",
  params: idParam,
  firstRead: readFunction,
  answer: { description: "The function.", schema: fn },
  handler: async (call) => Promise.resolve(fromFunction(functionOf(call))),
});
