import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { listFilter } from "../run-filters";
import { fromListedRun } from "../run-map";
import { listRunsQuery, runRef } from "../run-schema";

export const listRunsRoute = defineRoute({
  operationId: "vertesia.listRuns",
  method: "get",
  path: "/api/v1/runs",
  summary: "List the project's runs",
  description: "Newest first. A filter with several values asks for any of them.",
  tags: ["Runs"],
  scope: "read",
  query: listRunsQuery,
  answer: { description: "Runs without their prompts and results.", schema: z.array(runRef) },
  handler: async ({ services, principal, query }) => {
    const { limit, offset } = query;
    return (await services.listRuns(principal, listFilter(query), { limit, offset })).map(fromListedRun);
  },
});
