import { z } from "@hono/zod-openapi";
import { defineRoute } from "../../../http/define-route";
import { readSession, sessionOf } from "../first-read";
import { fromListedRun } from "../run-map";
import { runRef } from "../run-schema";
import { idParams } from "../schema";
import { sessionRunsQuery } from "../training-schema";

export const listSessionRuns = defineRoute({
  operationId: "vertesia.listSessionRuns",
  method: "get",
  path: "/api/v1/training/{id}/runs",
  summary: "List Runs in a Training Session",
  tags: ["Training"],
  scope: "read",
  params: idParams,
  query: sessionRunsQuery,
  firstRead: readSession,
  answer: { description: "In the order in which they were added.", schema: z.array(runRef) },
  handler: async (call) => (await call.services.sessionRuns(sessionOf(call), call.query)).map(fromListedRun),
});
