import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../call";
import { fromView } from "../map";
import { moduleStatus } from "../schema";

export const getStatusRoute = defineRoute({
  operationId: "trainingModule.getStatus",
  method: "get",
  path: "/status",
  summary: "Get the status",
  tags: ["Session"],
  scope: "read",
  firstRead: readSession,
  answer: { description: "The status.", schema: moduleStatus },
  errors: ["conflict"],
  handler: (call) => Promise.resolve(fromView(call.services.moduleStatus(sessionOf(call), "session"))),
});
