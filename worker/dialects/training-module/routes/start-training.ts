import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, moduleStatus } from "../schema";

export const startTrainingRoute = defineRoute({
  operationId: "trainingModule.startTraining",
  method: "post",
  path: "/training/start/{key}",
  summary: "Begin to train",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "Begun.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => fromView(await call.services.startModuleTraining(keyedOf(call))),
});
