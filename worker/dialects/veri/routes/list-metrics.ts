import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { queryInt } from "../../../http/page-params";
import { idParams, metrics } from "../schema";

/** No run has more steps than this (protocol/spec.ts). */
const MAX_STEP = 100_000_000;
const MAX_POINTS = 10_000;

export const listMetrics = defineRoute({
  operationId: "veri.listMetrics",
  method: "get",
  path: "/v1/training_jobs/{id}/metrics",
  scope: "read",
  summary: "The metrics of a training job, by step",
  tags: ["training_jobs"],
  params: idParams,
  query: z.object({
    keys: z.string().optional().openapi({ description: "Comma-separated; all when omitted." }),
    from_step: queryInt({ min: 0, max: MAX_STEP }).optional(),
    to_step: queryInt({ min: 0, max: MAX_STEP }).optional(),
    max_points: queryInt({ min: 1, max: MAX_POINTS, default: 500 }),
  }),
  firstRead: readById("job", "job_"),
  answer: { description: "At most max_points evenly spaced steps.", schema: metrics },
  handler: async ({ first, query, services }) => {
    const keys = query.keys
      ?.split(",")
      .map((key) => key.trim())
      .filter((key) => key !== "");
    const answer = await services.jobMetrics(found(first.job, "training job"), {
      ...(keys && keys.length > 0 ? { keys } : {}),
      ...(query.from_step === undefined ? {} : { fromStep: query.from_step }),
      ...(query.to_step === undefined ? {} : { toStep: query.to_step }),
      maxPoints: query.max_points,
    });
    return {
      metrics: answer.points.map(({ step, values }) => ({ step, values })),
      available_keys: answer.availableKeys,
      latest_step: answer.latestStep,
    };
  },
});
