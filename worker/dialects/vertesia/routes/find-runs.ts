import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { findFilter } from "../run-filters";
import { fromFoundRun } from "../run-map";
import { findRunsBody, foundRun } from "../run-schema";

export const findRunsRoute = defineRoute({
  operationId: "vertesia.findRuns",
  method: "post",
  path: "/api/v1/runs/find",
  summary: "Find runs by their fields",
  tags: ["Runs"],
  scope: "read",
  body: findRunsBody,
  answer: { description: "The fields that were selected, of stored runs.", schema: z.array(foundRun) },
  handler: async ({ services, principal, body }) => {
    const { limit, offset, select } = body;
    const names = select === undefined ? null : select.split(/[\s,]+/).filter((name) => name !== "");
    const found = await services.findRuns(principal, findFilter(body.query), { limit, offset });
    return found.map((run) => fromFoundRun(run, names));
  },
});
