import { defineRoute } from "../../../http/define-route";
import { fromProject, fromPage } from "../map";
import { listOf, listQuery, PREFIX, project } from "../schema";

export const listProjectsRoute = defineRoute({
  operationId: "anneal.listProjects",
  method: "get",
  path: "/anneal/v1/projects",
  summary: "List the account's projects",
  tags: ["Projects"],
  scope: "read",
  query: listQuery(PREFIX.project),
  answer: { description: "Newest first.", schema: listOf(project) },
  handler: async ({ services, principal, query }) =>
    fromPage(await services.listProjects(principal, query), fromProject),
});
