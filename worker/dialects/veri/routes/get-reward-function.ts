import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { fromFunction } from "../map";
import { idParams, rewardFunction } from "../schema";

export const getRewardFunction = defineRoute({
  operationId: "veri.getRewardFunction",
  method: "get",
  path: "/v1/reward_functions/{id}",
  scope: "read",
  summary: "Get a reward function",
  tags: ["reward_functions"],
  params: idParams,
  firstRead: readById("function", "rf_"),
  answer: { description: "The reward function.", schema: rewardFunction },
  handler: async ({ first }) => fromFunction(found(first.fn, "reward function")),
});
