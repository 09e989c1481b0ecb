import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { idParam, PREFIX, revoked } from "../schema";

export const revokeKeyRoute = defineRoute({
  operationId: "anneal.revokeKey",
  method: "delete",
  path: "/anneal/v1/keys/{id}",
  summary: "Revoke a key; the next request with it is refused",
  tags: ["Keys"],
  scope: "write",
  params: idParam,
  answer: { description: "Revoked.", schema: revoked },
  errors: ["not_found"],
  handler: async ({ services, principal, params }) => {
    await services.revokeKey(principal, parseId(PREFIX.key, params.id));
    return { id: params.id, revoked: true as const };
  },
});
