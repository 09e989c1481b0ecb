import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromMetrics } from "../map";
import { idParam, metrics, metricsQuery } from "../schema";

export const getMetricsRoute = defineRoute({
  operationId: "anneal.getMetrics",
  method: "get",
  path: "/anneal/v1/jobs/{id}/metrics",
  summary: "Get a job's metrics by step",
  description: "An attempt that resumes at a step hides what older attempts wrote beyond it; the stream hides nothing.",
  tags: ["Jobs"],
  scope: "read",
  params: idParam,
  query: metricsQuery,
  firstRead: readJob,
  answer: { description: "Points in order of their steps.", schema: metrics },
  handler: async (call) => {
    const { kind, keys, from_step: fromStep, to_step: toStep, max_points: maxPoints } = call.query;
    const wanted = keys?.split(",").map((key) => key.trim());
    return fromMetrics(
      await call.services.jobMetrics(jobOf(call), { kind, keys: wanted, fromStep, toStep, maxPoints }),
    );
  },
});
