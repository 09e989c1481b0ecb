import { defineRoute } from "../../../http/define-route";
import { listAnswer } from "../listing";
import { fromProject } from "../map";
import { listQuery, PREFIX, projectList } from "../schema";

export const listProjects = defineRoute({
  operationId: "emissary.listProjects",
  method: "get",
  path: "/v1/projects",
  scope: "read",
  summary: "List projects",
  tags: ["Projects"],
  query: listQuery(PREFIX.project),
  answer: { description: "Newest first.", schema: projectList },
  handler: async (call) => {
    const page = await call.services.listProjects(call.principal, call.query);
    return listAnswer(call, page, PREFIX.project, page.items.map(fromProject));
  },
});
