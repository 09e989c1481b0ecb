import { defineRoute } from "../../../http/define-route";
import { fromProject } from "../map";
import { createProject, project } from "../schema";

export const createProjectRoute = defineRoute({
  operationId: "anneal.createProject",
  method: "post",
  path: "/anneal/v1/projects",
  summary: "Make a project",
  tags: ["Projects"],
  scope: "write",
  body: createProject,
  answer: { status: 201, description: "Made.", schema: project },
  handler: async ({ services, principal, body }) => fromProject(await services.createProject(principal, body.name)),
});
