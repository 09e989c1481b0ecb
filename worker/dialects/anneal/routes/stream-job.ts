import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { STATUS_WORDS } from "../map";
import { idParam } from "../schema";

export const streamJobRoute = defineRoute({
  operationId: "anneal.streamJob",
  method: "get",
  path: "/anneal/v1/jobs/{id}/stream",
  summary: "Follow a job: every log line, metric, event and notice, as Server-Sent Events",
  description:
    "`event:` is log, metric, event, notice, gap or end; each has an `id:`, and `Last-Event-ID` goes on after it without " +
    "loss or repeat. Ends after the job's last item.",
  tags: ["Jobs"],
  scope: "read",
  params: idParam,
  firstRead: readJob,
  answer: { description: "The stream.", contentType: "text/event-stream" },
  alsoAnswers: { 204: "The job has ended and there is nothing after Last-Event-ID." },
  errors: ["rate_limited"],
  handler: async (call) => {
    const path = `/anneal/v1/jobs/${call.params.id}`;
    return call.services.jobStream(jobOf(call), {
      lastEventId: call.request.headers.get("last-event-id"),
      statusWords: STATUS_WORDS,
      readInstead: [`${path}/events`, `${path}/metrics`],
    });
  },
});
