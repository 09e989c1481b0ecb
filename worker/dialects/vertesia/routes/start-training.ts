import { defineRoute } from "../../../http/define-route";
import { inSessionWords } from "../errors";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { fromJob } from "../training-map";
import { trainingJob } from "../training-schema";

export const startTraining = defineRoute({
  operationId: "vertesia.startTraining",
  method: "post",
  path: "/api/v1/training/{id}/start",
  summary: "Start Training",
  description: "One job, however many ask at once. A session whose job has failed or was cancelled can start another.",
  tags: ["Training"],
  scope: "write",
  params: idParams,
  firstRead: readSession,
  answer: { description: "The job, pending.", schema: trainingJob },
  errors: ["invalid_request", "conflict", "dataset_format_incompatible"],
  handler: async (call) => {
    const session = sessionOf(call);
    return fromJob(await inSessionWords(() => call.services.startSession(call.principal, session)));
  },
});
