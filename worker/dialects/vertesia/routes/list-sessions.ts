import { defineRoute } from "../../../http/define-route";
import { fromSessionRef } from "../training-map";
import { sessionListQuery, trainingSessionRefs } from "../training-schema";

export const listSessions = defineRoute({
  operationId: "vertesia.listSessions",
  method: "get",
  path: "/api/v1/training",
  summary: "List Training Sessions",
  tags: ["Training"],
  scope: "read",
  query: sessionListQuery,
  answer: { description: "The project's, newest first.", schema: trainingSessionRefs },
  handler: async ({ query: { status, ...page }, principal, services }) => {
    const sessions = await services.listSessions(principal, status, page);
    return sessions.map((session) => fromSessionRef(session, services.sessionStatusOf(session)));
  },
});
