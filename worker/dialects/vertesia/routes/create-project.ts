import { checkedName } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { fromProject } from "../project-map";
import { createProject as body, project } from "../project-schema";

export const createProject = defineRoute({
  operationId: "vertesia.createProject",
  method: "post",
  path: "/api/v1/projects",
  summary: "Create a project",
  tags: ["Projects"],
  scope: "write",
  body,
  answer: { description: "The project.", schema: project },
  handler: async ({ body: { name, namespace, description }, principal, services }) => {
    const more = { namespace, ...(description === undefined ? {} : { description }) };
    return fromProject(await services.createProject(principal, checkedName(name), more));
  },
});
