import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { fromNewApiKey } from "../map";
import { newApiKey } from "../schema";

export const createApiKey = defineRoute({
  operationId: "veri.createApiKey",
  method: "post",
  path: "/v1/api_keys",
  scope: "write",
  summary: "Create an API key",
  tags: ["api_keys"],
  body: z.strictObject({ name: z.string().min(1, "must not be empty").max(200) }),
  answer: { description: "The key, shown this once.", schema: newApiKey },
  handler: async ({ body, principal, services }) => {
    const { record, key } = await services.createKey(principal, body.name, "vk_");
    return fromNewApiKey(record, key);
  },
});
