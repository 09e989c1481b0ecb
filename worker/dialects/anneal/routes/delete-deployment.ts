import { defineRoute } from "../../../http/define-route";
import { readDeployment, servedOf } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteDeploymentRoute = defineRoute({
  operationId: "anneal.deleteDeployment",
  method: "delete",
  path: "/anneal/v1/deployments/{id}",
  summary: "Delete a deployment",
  tags: ["Deployments"],
  scope: "write",
  params: idParam,
  firstRead: readDeployment,
  answer: { description: "Stopped, and no longer in lists.", schema: deleted },
  handler: async (call) => {
    await call.services.deleteDeployment(servedOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
