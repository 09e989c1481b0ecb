import { parseId } from "../../../domain/ids";
import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromCheckpointDetail } from "../map";
import { checkpointDetail, checkpointParams, PREFIX } from "../schema";

export const getCheckpointRoute = defineRoute({
  operationId: "anneal.getCheckpoint",
  method: "get",
  path: "/anneal/v1/jobs/{id}/checkpoints/{checkpoint_id}",
  summary: "Get a checkpoint with a signed URL and the SHA-256 of each file",
  tags: ["Checkpoints"],
  scope: "read",
  params: checkpointParams,
  firstRead: readJob,
  answer: { description: "The checkpoint.", schema: checkpointDetail },
  handler: async (call) => {
    const id = parseId(PREFIX.checkpoint, call.params.checkpoint_id);
    return fromCheckpointDetail(await call.services.getCheckpoint(jobOf(call), id, call.origin));
  },
});
