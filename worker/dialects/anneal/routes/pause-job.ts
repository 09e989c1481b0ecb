import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromJob } from "../map";
import { idParam, job } from "../schema";

export const pauseJobRoute = defineRoute({
  operationId: "anneal.pauseJob",
  method: "post",
  path: "/anneal/v1/jobs/{id}/pause",
  summary: "Pause a job that has not ended",
  description:
    "A queued job is paused at once. One that an agent holds is asked to save its work and give it back; until then it keeps its status, with `pause_requested_at`.",
  tags: ["Jobs"],
  scope: "write",
  params: idParam,
  firstRead: readJob,
  answer: { description: "Paused, or about to be.", schema: job },
  errors: ["illegal_transition"],
  handler: async (call) => fromJob(await call.services.pauseJob(jobOf(call)), null),
});
