import { defineRoute } from "../../../http/define-route";
import { sessionListQuery, sessionNames } from "../training-schema";

export const listSessionNames = defineRoute({
  operationId: "vertesia.listSessionNames",
  method: "get",
  path: "/api/v1/training/names",
  summary: "List the names of Training Sessions",
  tags: ["Training"],
  scope: "read",
  query: sessionListQuery,
  answer: { description: "The project's, newest first.", schema: sessionNames },
  handler: ({ query: { status, ...page }, principal, services }) => services.listSessionNames(principal, status, page),
});
