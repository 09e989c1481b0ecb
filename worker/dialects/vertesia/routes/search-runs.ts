import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { searchFilter } from "../run-filters";
import { fromListedRun } from "../run-map";
import { runRef, searchRunsBody } from "../run-schema";

const DEFAULT_LIMIT = 100;

export const searchRunsRoute = defineRoute({
  operationId: "vertesia.searchRuns",
  method: "post",
  path: "/api/v1/runs/search",
  summary: "Search the project's runs",
  tags: ["Runs"],
  scope: "read",
  body: searchRunsBody,
  answer: { description: "Runs without their prompts and results.", schema: z.array(runRef) },
  handler: async ({ services, principal, body }) => {
    const { query, sort } = body;
    const [by] = sort ?? [];
    const page = {
      limit: body.limit ?? query?.limit ?? DEFAULT_LIMIT,
      offset: body.offset ?? query?.offset ?? 0,
      ...(by === undefined ? {} : { order: { by: by.field, direction: by.order } }),
    };
    return (await services.listRuns(principal, searchFilter(query), page)).map(fromListedRun);
  },
});
