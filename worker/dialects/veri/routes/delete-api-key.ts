import { isBareId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { deletedApiKey, idParams } from "../schema";

export const deleteApiKey = defineRoute({
  operationId: "veri.deleteApiKey",
  method: "delete",
  path: "/v1/api_keys/{id}",
  scope: "write",
  summary: "Revoke an API key",
  tags: ["api_keys"],
  params: idParams,
  answer: { description: "Revoked: good for nothing from the next request on.", schema: deletedApiKey },
  errors: ["not_found"],
  handler: async ({ params, principal, services }) => {
    await services.revokeKey(principal, isBareId(params.id) ? params.id : null);
    return { id: params.id, object: "api_key" as const, deleted: true as const };
  },
});
