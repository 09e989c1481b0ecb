import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { pageParams } from "../../../http/page-params";
import { fromJobInList, list, methodOf, statusesOf } from "../map";
import { VERI_METHODS, VERI_STATUSES, trainingJobList } from "../schema";

export const listTrainingJobs = defineRoute({
  operationId: "veri.listTrainingJobs",
  method: "get",
  path: "/v1/training_jobs",
  scope: "read",
  summary: "List training jobs, newest first",
  tags: ["training_jobs"],
  query: z.object({
    ...pageParams({ prefix: "job_", defaultLimit: 20, maxLimit: 100 }),
    status: z.enum(VERI_STATUSES).optional(),
    method: z.enum(VERI_METHODS).optional(),
  }),
  answer: { description: "A page of jobs, in brief.", schema: trainingJobList },
  handler: async ({ query, principal, services }) => {
    const { status, method, ...page } = query;
    const wanted = method && methodOf(method);
    if (wanted === null) return list({ items: [], hasMore: false });
    const filter = { ...(status ? { statuses: statusesOf(status) } : {}), ...(wanted ? { method: wanted } : {}) };
    const jobs = await services.listJobs(principal, filter, page);
    return list({ ...jobs, items: jobs.items.map(fromJobInList) });
  },
});
