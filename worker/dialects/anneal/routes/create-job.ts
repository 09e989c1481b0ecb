import { defineRoute } from "../../../http/define-route";
import { fromJob, toJobRequest } from "../map";
import { createJob, job } from "../schema";

export const createJobRoute = defineRoute({
  operationId: "anneal.createJob",
  method: "post",
  path: "/anneal/v1/jobs",
  summary: "Submit a training job",
  description: "Everything that can be known to be wrong is refused here, before a host is used.",
  tags: ["Jobs"],
  scope: "write",
  body: createJob,
  idempotent: true,
  answer: { status: 201, description: "Queued.", schema: job },
  errors: ["not_found", "dataset_format_incompatible"],
  handler: async ({ services, principal, body, idempotency }) =>
    fromJob(await services.submitJob(principal, toJobRequest(body), await idempotency()), null),
});
