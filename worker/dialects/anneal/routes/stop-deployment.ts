import { defineRoute } from "../../../http/define-route";
import { fromDeployment } from "../engine-map";
import { deployment } from "../engine-schema";
import { readDeployment, servedOf } from "../first-read";
import { idParam } from "../schema";

export const stopDeploymentRoute = defineRoute({
  operationId: "anneal.stopDeployment",
  method: "post",
  path: "/anneal/v1/deployments/{id}/stop",
  summary: "Take a deployment from its engine for good",
  description: "An engine that was made with it goes too. Its name is free again; it stays in lists, as `terminated`.",
  tags: ["Deployments"],
  scope: "write",
  params: idParam,
  firstRead: readDeployment,
  answer: { description: "Terminated; stopping it twice is the same as once.", schema: deployment },
  handler: async (call) => {
    const served = servedOf(call);
    const isStopped = served.deployment.state === "terminated";
    return fromDeployment(isStopped ? served : await call.services.stopDeployment(served));
  },
});
