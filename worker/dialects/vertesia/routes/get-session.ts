import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { idParams } from "../schema";
import { fromSession } from "../training-map";
import { trainingSession } from "../training-schema";

export const getSession = defineRoute({
  operationId: "vertesia.getSession",
  method: "get",
  path: "/api/v1/training/{id}",
  summary: "Retrieve a Training Session",
  tags: ["Training"],
  scope: "read",
  params: idParams,
  firstRead: readSession,
  answer: { description: "The session.", schema: trainingSession },
  handler: async (call) => {
    const session = sessionOf(call);
    return fromSession(session, call.services.sessionStatusOf(session), await call.services.sessionRunIds(session));
  },
});
