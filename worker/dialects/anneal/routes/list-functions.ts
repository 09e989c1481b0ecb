import { defineRoute } from "../../../http/define-route";
import { fromFunction, fromPage } from "../map";
import { listOf, listQuery, PREFIX, fn } from "../schema";

export const listFunctionsRoute = defineRoute({
  operationId: "anneal.listFunctions",
  method: "get",
  path: "/anneal/v1/functions",
  summary: "List the account's functions",
  tags: ["Functions"],
  scope: "read",
  query: listQuery(PREFIX.fn),
  answer: { description: "Newest first.", schema: listOf(fn) },
  handler: async ({ services, principal, query }) =>
    fromPage(await services.listFunctions(principal, query), fromFunction),
});
