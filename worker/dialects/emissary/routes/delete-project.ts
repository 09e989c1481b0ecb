import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../records";
import { projectParams } from "../schema";

export const deleteProject = defineRoute({
  operationId: "emissary.deleteProjectById",
  method: "delete",
  path: "/v1/projects/{project_id}",
  scope: "write",
  summary: "Delete project",
  description: "With its datasets and training jobs. Refused while one of its jobs has not ended.",
  tags: ["Projects"],
  params: projectParams,
  firstRead: readProject,
  answer: { status: 204, description: "Project deleted successfully" },
  errors: ["conflict"],
  handler: async ({ first, principal, services }) => {
    await services.deleteProject(principal, projectOf({ first }));
    return new Response(null, { status: 204 });
  },
});
