import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../first-read";
import { fromProject } from "../project-map";
import { project } from "../project-schema";
import { idParams } from "../schema";

export const retrieveProject = defineRoute({
  operationId: "vertesia.retrieveProject",
  method: "get",
  path: "/api/v1/projects/{id}",
  summary: "Retrieve a project",
  tags: ["Projects"],
  scope: "read",
  params: idParams,
  firstRead: readProject,
  answer: { description: "The project.", schema: project },
  handler: (call) => Promise.resolve(fromProject(projectOf(call))),
});
