import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../first-read";
import { deletedProject } from "../project-schema";
import { idParams } from "../schema";
import { projectId } from "../words";

export const deleteProject = defineRoute({
  operationId: "vertesia.deleteProject",
  method: "delete",
  path: "/api/v1/projects/{id}",
  summary: "Delete a project",
  description: "With all that is in it; not while one of its jobs has not ended, or a key has it as its own.",
  tags: ["Projects"],
  scope: "write",
  params: idParams,
  firstRead: readProject,
  answer: { description: "Deleted.", schema: deletedProject },
  errors: ["conflict"],
  handler: async (call) => {
    const project = projectOf(call);
    await call.services.deleteProject(call.principal, project);
    return { id: projectId(project.id) };
  },
});
