import { defineRoute } from "../../../http/define-route";
import { fromEnvironment } from "../environment-map";
import { environmentListQuery, environments } from "../environment-schema";

export const listEnvironments = defineRoute({
  operationId: "vertesia.listEnvironments",
  method: "get",
  path: "/api/v1/environments",
  summary: "List environments",
  tags: ["Environments"],
  scope: "read",
  query: environmentListQuery,
  answer: {
    description: "Those that the project may use, or all of the account's; newest first.",
    schema: environments,
  },
  handler: async ({ query, principal, services }) =>
    (await services.listEnvironments(principal, query.all ?? false)).map(fromEnvironment),
});
