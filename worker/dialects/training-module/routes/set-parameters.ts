import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromParameters, toConfigChanges } from "../map";
import { configChanges, keyParam, parameters } from "../schema";

export const setParametersRoute = defineRoute({
  operationId: "trainingModule.setParameters",
  method: "post",
  path: "/parameters/{key}",
  summary: "Set the parameters of the training",
  description: "In state setup. What is absent stays as it is; null goes back to the default.",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  body: configChanges,
  firstRead: readSession,
  answer: { description: "All of them, with their defaults.", schema: parameters },
  errors: ["conflict"],
  handler: async (call) =>
    fromParameters(await call.services.configureModule(keyedOf(call), toConfigChanges(call.body))),
});
