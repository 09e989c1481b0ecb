import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { idParam, PREFIX, revoked } from "../schema";

export const revokeAgentRoute = defineRoute({
  operationId: "anneal.revokeAgent",
  method: "delete",
  path: "/anneal/v1/agents/{id}",
  summary: "Revoke an agent: its tokens are worthless at once, what it holds is queued again",
  tags: ["Agents"],
  scope: "agent",
  params: idParam,
  answer: { description: "Revoked.", schema: revoked },
  errors: ["not_found"],
  handler: async ({ services, principal, params }) => {
    await services.revokeAgent(principal, parseId(PREFIX.agent, params.id));
    return { id: params.id, revoked: true as const };
  },
});
