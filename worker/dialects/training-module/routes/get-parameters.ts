import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../call";
import { fromParameters } from "../map";
import { parameters } from "../schema";

export const getParametersRoute = defineRoute({
  operationId: "trainingModule.getParameters",
  method: "get",
  path: "/parameters",
  summary: "Get the parameters and the key",
  tags: ["Session"],
  scope: "read",
  firstRead: readSession,
  answer: { description: "All of them, with their defaults.", schema: parameters },
  errors: ["conflict"],
  handler: async (call) => fromParameters(await call.services.moduleParameters(sessionOf(call))),
});
