import { defineRoute } from "../../../http/define-route";
import { fromAgent, fromPage } from "../map";
import { listOf, listQuery, PREFIX, agent } from "../schema";

export const listAgentsRoute = defineRoute({
  operationId: "anneal.listAgents",
  method: "get",
  path: "/anneal/v1/agents",
  summary: "List the account's agents",
  tags: ["Agents"],
  scope: "read",
  query: listQuery(PREFIX.agent),
  answer: { description: "Newest first.", schema: listOf(agent) },
  handler: async ({ services, principal, query }) => fromPage(await services.listAgents(principal, query), fromAgent),
});
