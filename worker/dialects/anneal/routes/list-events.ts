import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromEvent, fromPage } from "../map";
import { event, eventsQuery, idParam, listOf } from "../schema";

export const listEventsRoute = defineRoute({
  operationId: "anneal.listEvents",
  method: "get",
  path: "/anneal/v1/jobs/{id}/events",
  summary: "List a job's events",
  tags: ["Jobs"],
  scope: "read",
  params: idParam,
  query: eventsQuery,
  firstRead: readJob,
  answer: { description: "Oldest first.", schema: listOf(event) },
  handler: async (call) => fromPage(await call.services.jobEvents(jobOf(call), call.query), fromEvent),
});
