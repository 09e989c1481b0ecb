import { deploymentStatus } from "../../../domain/engines";
import { defineRoute } from "../../../http/define-route";
import { filteredPage } from "../../../http/filtered-page";
import { fromDeployment } from "../engine-map";
import { deployment, listDeploymentsQuery } from "../engine-schema";
import { filterId } from "../filter-id";
import { fromPage } from "../map";
import { listOf } from "../schema";

export const listDeploymentsRoute = defineRoute({
  operationId: "anneal.listDeployments",
  method: "get",
  path: "/anneal/v1/deployments",
  summary: "List the account's deployments, made through whichever API",
  tags: ["Deployments"],
  scope: "read",
  query: listDeploymentsQuery,
  answer: { description: "Newest first.", schema: listOf(deployment) },
  handler: async ({ services, principal, query }) => {
    const { status, origin, engine_id: engine, project_id: project, ...page } = query;
    const filter = {
      ...(origin === undefined ? {} : { origins: [origin] }),
      ...(engine === undefined ? {} : { engineId: filterId("engine", engine) }),
      ...(project === undefined ? {} : { projectId: filterId("project", project) }),
    };
    const found = await filteredPage(page, (wanted) => services.listDeployments(principal, filter, wanted), {
      keep: (served) => status === undefined || deploymentStatus(served) === status,
      idOf: (served) => served.deployment.id,
    });
    return fromPage(found, fromDeployment);
  },
});
