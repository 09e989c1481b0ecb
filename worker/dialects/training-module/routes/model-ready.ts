import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, readiness } from "../schema";

export const modelReadyRoute = defineRoute({
  operationId: "trainingModule.modelReady",
  method: "get",
  path: "/model_ready/{key}",
  summary: "Ask whether the model is ready",
  tags: ["Session"],
  scope: "read",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "Whether it is.", schema: readiness },
  errors: ["conflict"],
  handler: async (call) => {
    const view = await call.services.moduleReady(keyedOf(call));
    return { ...fromView(view), ready: view.ready };
  },
});
