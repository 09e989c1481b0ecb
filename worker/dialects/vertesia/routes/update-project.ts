import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../first-read";
import { fromProject, toUpdate } from "../project-map";
import { project, updateProject as body } from "../project-schema";
import { idParams } from "../schema";

export const updateProject = defineRoute({
  operationId: "vertesia.updateProject",
  method: "put",
  path: "/api/v1/projects/{id}",
  summary: "Update a project",
  description: "What is left out stays as it is, keys of `configuration` too.",
  tags: ["Projects"],
  scope: "write",
  params: idParams,
  firstRead: readProject,
  body,
  answer: { description: "The project as it now is.", schema: project },
  handler: async (call) =>
    fromProject(await call.services.updateProject(call.principal, projectOf(call), toUpdate(call.body))),
});
