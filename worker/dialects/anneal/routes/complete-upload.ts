import { defineRoute } from "../../../http/define-route";
import { readUpload, uploadOf } from "../first-read";
import { fromUpload } from "../map";
import { completeUpload, idParam, upload } from "../schema";

export const completeUploadRoute = defineRoute({
  operationId: "anneal.completeUpload",
  method: "post",
  path: "/anneal/v1/uploads/{id}/complete",
  summary: "Say that the whole file has been sent",
  description: "Safe to repeat. The SHA-256 that is given here or was given before must be that of the bytes.",
  tags: ["Uploads"],
  scope: "write",
  params: idParam,
  body: completeUpload,
  firstRead: readUpload,
  answer: { description: "Whole, with its SHA-256: `POST /datasets` takes its id.", schema: upload },
  errors: ["conflict"],
  handler: async (call) => {
    const done = await call.services.completeUpload(uploadOf(call), call.body.sha256 ?? null);
    return fromUpload(done, call.origin);
  },
});
