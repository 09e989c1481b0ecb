import { defineRoute } from "../../../http/define-route";
import { fromNewKey } from "../map";
import { createKey, newKey } from "../schema";

export const createKeyRoute = defineRoute({
  operationId: "anneal.createKey",
  method: "post",
  path: "/anneal/v1/keys",
  summary: "Make an API key",
  tags: ["Keys"],
  scope: "write",
  body: createKey,
  answer: { status: 201, description: "Made.", schema: newKey },
  handler: async ({ services, principal, body }) =>
    fromNewKey(await services.createKey(principal, body.name, "sk-", body.scopes)),
});
