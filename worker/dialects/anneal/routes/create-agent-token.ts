import { defineRoute } from "../../../http/define-route";
import { fromNewToken } from "../map";
import { createToken, newToken } from "../schema";

export const createAgentTokenRoute = defineRoute({
  operationId: "anneal.createAgentToken",
  method: "post",
  path: "/anneal/v1/agent_tokens",
  summary: "Make a bootstrap token for an agent of the account",
  tags: ["Agents"],
  scope: "agent",
  body: createToken,
  answer: { status: 201, description: "Made.", schema: newToken },
  handler: async ({ services, principal, body }) =>
    fromNewToken(
      await services.createBootstrapToken(principal.accountId, {
        reusable: body.reusable,
        ttlSeconds: body.ttl_seconds,
      }),
    ),
});
