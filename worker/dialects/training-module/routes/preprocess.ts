import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { keyParam, moduleStatus } from "../schema";

export const preprocessRoute = defineRoute({
  operationId: "trainingModule.preprocess",
  method: "post",
  path: "/preprocess/{key}",
  summary: "Parse, validate and tokenise the datasets",
  tags: ["Session"],
  scope: "write",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "Begun.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => fromView(await call.services.preprocessModule(keyedOf(call))),
});
