import { defineRoute } from "../../../http/define-route";
import { projectOf, readProject } from "../first-read";
import { fromConfiguration } from "../project-map";
import { projectConfiguration, updateConfiguration as body } from "../project-schema";
import { idParams } from "../schema";

export const updateProjectConfiguration = defineRoute({
  operationId: "vertesia.updateProjectConfiguration",
  method: "put",
  path: "/api/v1/projects/{id}/configuration",
  summary: "Update a project's configuration",
  description: "Each key that is sent takes the place of the one that was; the others stay.",
  tags: ["Projects"],
  scope: "write",
  params: idParams,
  firstRead: readProject,
  body,
  answer: { description: "The configuration as it now is.", schema: projectConfiguration },
  handler: async (call) => {
    const changes = { mergeConfiguration: call.body };
    return fromConfiguration(await call.services.updateProject(call.principal, projectOf(call), changes));
  },
});
