import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromJob } from "../map";
import { idParam, job } from "../schema";

export const resumeJobRoute = defineRoute({
  operationId: "anneal.resumeJob",
  method: "post",
  path: "/anneal/v1/jobs/{id}/resume",
  summary: "Let a paused job go on",
  description: "It goes on exactly at its last committed step. A pause that has not taken effect is withdrawn.",
  tags: ["Jobs"],
  scope: "write",
  params: idParam,
  firstRead: readJob,
  answer: { description: "Queued again, or no longer to be paused.", schema: job },
  errors: ["illegal_transition"],
  handler: async (call) => fromJob(await call.services.resumeJob(jobOf(call)), null),
});
