import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromJob, toRetryRequest } from "../map";
import { idParam, job, retryJob } from "../schema";

export const retryJobRoute = defineRoute({
  operationId: "anneal.retryJob",
  method: "post",
  path: "/anneal/v1/jobs/{id}/retry",
  summary: "Try a job again that failed, timed out or was cancelled",
  description: "Makes a new job with the same spec; `retry_of` names the old one, which stays as it ended.",
  tags: ["Jobs"],
  scope: "write",
  params: idParam,
  body: retryJob,
  idempotent: true,
  firstRead: readJob,
  answer: { status: 201, description: "Queued.", schema: job },
  errors: ["illegal_transition"],
  handler: async (call) => {
    const { services, body, idempotency } = call;
    return fromJob(await services.retryJob(jobOf(call), toRetryRequest(body), await idempotency()), null);
  },
});
