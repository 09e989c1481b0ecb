import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromJob } from "../map";
import { idParam, job } from "../schema";

export const cancelJobRoute = defineRoute({
  operationId: "anneal.cancelJob",
  method: "post",
  path: "/anneal/v1/jobs/{id}/cancel",
  summary: "Cancel a job that has not ended",
  tags: ["Jobs"],
  scope: "write",
  params: idParam,
  firstRead: readJob,
  answer: { description: "Cancelled; its trainer is told by the next heartbeat at the latest.", schema: job },
  errors: ["not_cancellable"],
  handler: async (call) => fromJob(await call.services.cancelJob(jobOf(call)), null),
});
