import { checkedName } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { fromProject } from "../map";
import { createProject as body, project } from "../schema";

export const createProject = defineRoute({
  operationId: "emissary.createProject",
  method: "post",
  path: "/v1/projects",
  scope: "write",
  summary: "Create project",
  description: "Projects organize datasets, training jobs, and deployments. Without a name it is `project-<n>`.",
  tags: ["Projects"],
  body,
  bodyIsOptional: true,
  answer: { status: 201, description: "The created project", schema: project },
  handler: async ({ body: { name }, principal, services }) => {
    const given = name ?? (await services.nextProjectName(principal, "project"));
    return fromProject(await services.createProject(principal, checkedName(given)));
  },
});
