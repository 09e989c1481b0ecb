import { defineRoute } from "../../../http/define-route";
import { fromToken, fromPage } from "../map";
import { listOf, listQuery, PREFIX, token } from "../schema";

export const listAgentTokensRoute = defineRoute({
  operationId: "anneal.listAgentTokens",
  method: "get",
  path: "/anneal/v1/agent_tokens",
  summary: "List the account's bootstrap tokens",
  tags: ["Agents"],
  scope: "read",
  query: listQuery(PREFIX.token),
  answer: { description: "Newest first.", schema: listOf(token) },
  handler: async ({ services, principal, query }) =>
    fromPage(await services.listBootstrapTokens(principal, query), fromToken),
});
