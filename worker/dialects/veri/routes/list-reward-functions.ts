import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { pageParams } from "../../../http/page-params";
import { fromFunction, list } from "../map";
import { rewardFunctionList } from "../schema";

export const listRewardFunctions = defineRoute({
  operationId: "veri.listRewardFunctions",
  method: "get",
  path: "/v1/reward_functions",
  scope: "read",
  summary: "List reward functions, newest first",
  tags: ["reward_functions"],
  query: z.object(pageParams({ prefix: "rf_", defaultLimit: 20, maxLimit: 100 })),
  answer: { description: "A page of reward functions.", schema: rewardFunctionList },
  handler: async ({ query, principal, services }) => {
    const page = await services.listFunctions(principal, query);
    return list({ ...page, items: page.items.map(fromFunction) });
  },
});
