import { defineRoute } from "../../../http/define-route";
import { filteredPage } from "../../../http/filtered-page";
import { fromEngine } from "../engine-map";
import { engine, listEnginesQuery } from "../engine-schema";
import { filterId } from "../filter-id";
import { fromPage } from "../map";
import { listOf } from "../schema";

export const listEnginesRoute = defineRoute({
  operationId: "anneal.listEngines",
  method: "get",
  path: "/anneal/v1/engines",
  summary: "List the account's engines",
  tags: ["Engines"],
  scope: "read",
  query: listEnginesQuery,
  answer: { description: "Newest first.", schema: listOf(engine) },
  handler: async ({ services, principal, query }) => {
    const { status, task_type: taskType, base_model: baseModel, project_id: project, ...page } = query;
    const filter = {
      ...(taskType === undefined ? {} : { taskType }),
      ...(baseModel === undefined ? {} : { baseModel }),
      ...(project === undefined ? {} : { projectId: filterId("project", project) }),
    };
    const found = await filteredPage(page, (wanted) => services.listEngines(principal, filter, wanted), {
      keep: (item) => status === undefined || item.status === status,
      idOf: ({ id }) => id,
    });
    const counts = await services.deploymentCounts(found.items);
    return fromPage(found, (item) => fromEngine(item, counts.get(item.id) ?? 0));
  },
});
