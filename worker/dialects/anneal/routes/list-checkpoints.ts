import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromCheckpoint, fromPage } from "../map";
import { checkpoint, idParam, listOf, listQuery, PREFIX } from "../schema";

export const listCheckpointsRoute = defineRoute({
  operationId: "anneal.listCheckpoints",
  method: "get",
  path: "/anneal/v1/jobs/{id}/checkpoints",
  summary: "List a job's checkpoints, resume checkpoints included",
  tags: ["Checkpoints"],
  scope: "read",
  params: idParam,
  query: listQuery(PREFIX.checkpoint),
  firstRead: readJob,
  answer: { description: "Newest first.", schema: listOf(checkpoint) },
  handler: async (call) => fromPage(await call.services.listCheckpoints(jobOf(call), call.query), fromCheckpoint),
});
