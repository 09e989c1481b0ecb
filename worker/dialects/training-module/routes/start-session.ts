import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../call";
import { fromView } from "../map";
import { forceQuery, startedSession } from "../schema";

export const startSessionRoute = defineRoute({
  operationId: "trainingModule.startSession",
  method: "get",
  path: "/start_session",
  summary: "Begin the session of the account",
  description:
    "A GET that changes state: it is not run for a HEAD. With `force_restart` other than 0 what runs is cancelled, and the old key is dead at once.",
  tags: ["Session"],
  scope: "write",
  query: forceQuery,
  refusesHead: true,
  firstRead: readSession,
  answer: { description: "The key of the session.", schema: startedSession },
  errors: ["conflict"],
  handler: async (call) => {
    const started = await call.services.startModuleSession(sessionOf(call), call.query.force_restart);
    return { ...fromView(started), key: started.key };
  },
});
