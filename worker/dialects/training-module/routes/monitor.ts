import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromMonitored } from "../map";
import { keyParam, monitored } from "../schema";

export const monitorRoute = defineRoute({
  operationId: "trainingModule.monitor",
  method: "get",
  path: "/monitor/{key}",
  summary: "Get the last training info",
  tags: ["Session"],
  scope: "read",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "With `info` null until training has begun.", schema: monitored },
  errors: ["conflict"],
  handler: async (call) => fromMonitored(await call.services.monitorModule(keyedOf(call))),
});
