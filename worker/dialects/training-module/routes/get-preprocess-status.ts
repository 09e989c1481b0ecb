import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../call";
import { fromView } from "../map";
import { moduleStatus } from "../schema";

export const getPreprocessStatusRoute = defineRoute({
  operationId: "trainingModule.getPreprocessStatus",
  method: "get",
  path: "/preprocess_status",
  summary: "Get the status of preprocessing",
  tags: ["Session"],
  scope: "read",
  firstRead: readSession,
  answer: { description: "The status.", schema: moduleStatus },
  errors: ["conflict"],
  handler: (call) => Promise.resolve(fromView(call.services.moduleStatus(sessionOf(call), "session"))),
});
