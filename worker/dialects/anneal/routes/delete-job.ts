import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteJobRoute = defineRoute({
  operationId: "anneal.deleteJob",
  method: "delete",
  path: "/anneal/v1/jobs/{id}",
  summary: "Delete a job with its checkpoints, history and logs",
  tags: ["Jobs"],
  scope: "write",
  params: idParam,
  firstRead: readJob,
  answer: { description: "Gone. One that has not ended, or from which such a one begins, is a 409.", schema: deleted },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.deleteJob(jobOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
