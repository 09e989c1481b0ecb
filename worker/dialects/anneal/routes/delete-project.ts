import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteProjectRoute = defineRoute({
  operationId: "anneal.deleteProject",
  method: "delete",
  path: "/anneal/v1/projects/{id}",
  summary: "Delete a project with its datasets, jobs and functions",
  tags: ["Projects"],
  scope: "write",
  params: idParam,
  firstRead: readProject,
  answer: {
    description: "Gone. One with a job that has not ended, or that is a key's default, is a 409.",
    schema: deleted,
  },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteProject(call.principal, projectOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
