import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { queryInt } from "../../../http/page-params";
import { timestamp } from "../map";
import { eventList, idParams } from "../schema";

export const listEvents = defineRoute({
  operationId: "veri.listEvents",
  method: "get",
  path: "/v1/training_jobs/{id}/events",
  scope: "read",
  summary: "The lifecycle events of a training job, oldest first",
  tags: ["training_jobs"],
  params: idParams,
  query: z.object({ limit: queryInt({ min: 1, max: 1000, default: 50 }) }),
  firstRead: readById("job", "job_"),
  answer: { description: "The events.", schema: eventList },
  handler: async ({ first, query, services }) => {
    const { items } = await services.jobEvents(found(first.job, "training job"), query);
    return {
      items: items.map(({ type, atMs, metadata }) => ({ event_type: type, timestamp: timestamp(atMs), metadata })),
    };
  },
});
