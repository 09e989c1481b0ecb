import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromJob } from "../map";
import { idParam, job } from "../schema";

export const getJobRoute = defineRoute({
  operationId: "anneal.getJob",
  method: "get",
  path: "/anneal/v1/jobs/{id}",
  summary: "Get a job",
  tags: ["Jobs"],
  scope: "read",
  params: idParam,
  firstRead: readJob,
  answer: { description: "The job; with its model when it has completed.", schema: job },
  handler: async (call) => {
    const found = jobOf(call);
    const [model, whole, [progress = found.progress]] = await Promise.all([
      call.services.modelArchive(found, call.origin),
      call.services.wholeJob(found),
      call.services.jobProgress([found]),
    ]);
    return fromJob({ ...whole, progress }, model);
  },
});
