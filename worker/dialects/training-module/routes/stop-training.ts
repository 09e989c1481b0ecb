import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { forceQuery, keyParam, moduleStatus } from "../schema";

export const stopTrainingRoute = defineRoute({
  operationId: "trainingModule.stopTraining",
  method: "post",
  path: "/training/stop/{key}",
  summary: "Stop training",
  description: "With `force_restart` other than 0 the session is wiped too, in whatever state it is.",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  query: forceQuery,
  firstRead: readSession,
  answer: { description: "Stopped.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => fromView(await call.services.stopModuleTraining(keyedOf(call), call.query.force_restart)),
});
