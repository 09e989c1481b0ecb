import { defineRoute } from "../../../http/define-route";
import { fromKey, fromPage } from "../map";
import { listOf, listQuery, PREFIX, key } from "../schema";

export const listKeysRoute = defineRoute({
  operationId: "anneal.listKeys",
  method: "get",
  path: "/anneal/v1/keys",
  summary: "List the account's live keys",
  tags: ["Keys"],
  scope: "read",
  query: listQuery(PREFIX.key),
  answer: { description: "Newest first.", schema: listOf(key) },
  handler: async ({ services, principal, query }) => fromPage(await services.listKeys(principal, query), fromKey),
});
