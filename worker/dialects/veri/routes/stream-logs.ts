import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { STATUS_WORDS } from "../map";
import { idParams } from "../schema";

export const streamLogs = defineRoute({
  operationId: "veri.streamLogs",
  method: "get",
  path: "/v1/training_jobs/{id}/logs",
  scope: "read",
  summary: "Every log line, metric and event of a training job, as Server-Sent Events",
  description: "Resumes after `Last-Event-ID` without loss or repeat; ends after the job's last event.",
  tags: ["training_jobs"],
  params: idParams,
  firstRead: readById("job", "job_"),
  answer: { description: "The stream, from its beginning or after `Last-Event-ID`.", contentType: "text/event-stream" },
  alsoAnswers: { 204: "The job has ended and there is nothing after `Last-Event-ID`." },
  errors: ["rate_limited"],
  handler: ({ first, params, request, services }) => {
    const path = `/v1/training_jobs/${params.id}`;
    return services.jobStream(found(first.job, "training job"), {
      lastEventId: request.headers.get("last-event-id"),
      statusWords: STATUS_WORDS,
      readInstead: [`${path}/events`, `${path}/metrics`],
    });
  },
});
