import { defineRoute } from "../../../http/define-route";
import { testFunctionList } from "../schema";

export const listTestFunctions = defineRoute({
  operationId: "emissary.listTestFunctions",
  method: "get",
  path: "/v1/testing-functions",
  scope: "read",
  summary: "List Testing Functions",
  description: "The shared ones, and the account's own, which are made by POST /anneal/v1/functions.",
  tags: ["Testing Functions"],
  answer: { description: "The testing functions", schema: testFunctionList },
  handler: async ({ principal, services }) => services.listTestFunctions(principal),
});
