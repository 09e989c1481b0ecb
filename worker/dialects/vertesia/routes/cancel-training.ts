import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { fromJob } from "../training-map";
import { trainingJob } from "../training-schema";

export const cancelTraining = defineRoute({
  operationId: "vertesia.cancelTraining",
  method: "post",
  path: "/api/v1/training/{id}/cancel",
  summary: "Cancel Training",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  firstRead: readSession,
  answer: { description: "The job, cancelled.", schema: trainingJob },
  errors: ["not_cancellable"],
  handler: async (call) => fromJob(await call.services.cancelSession(call.principal, sessionOf(call))),
});
