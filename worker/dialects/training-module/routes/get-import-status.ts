import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../call";
import { fromView } from "../map";
import { moduleStatus } from "../schema";

export const getImportStatusRoute = defineRoute({
  operationId: "trainingModule.getImportStatus",
  method: "get",
  path: "/import_status",
  summary: "Get the status of the import",
  tags: ["Import"],
  scope: "read",
  firstRead: readSession,
  answer: { description: "The status.", schema: moduleStatus },
  errors: ["conflict"],
  handler: (call) => Promise.resolve(fromView(call.services.moduleStatus(sessionOf(call), "import"))),
});
