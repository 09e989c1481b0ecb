import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { pageParams } from "../../../http/page-params";
import { fromApiKey, list } from "../map";
import { apiKeyList } from "../schema";

export const listApiKeys = defineRoute({
  operationId: "veri.listApiKeys",
  method: "get",
  path: "/v1/api_keys",
  scope: "read",
  summary: "List the live API keys, newest first",
  tags: ["api_keys"],
  query: z.object(pageParams({ prefix: "", defaultLimit: 20, maxLimit: 100 })),
  answer: { description: "A page of keys, without the keys themselves.", schema: apiKeyList },
  handler: async ({ query, principal, services }) => {
    const page = await services.listKeys(principal, query);
    return list({ ...page, items: page.items.map(fromApiKey) });
  },
});
