import { defineRoute } from "../../../http/define-route";
import { readUpload, uploadOf } from "../first-read";
import { fromUpload } from "../map";
import { idParam, upload } from "../schema";

export const getUploadRoute = defineRoute({
  operationId: "anneal.getUpload",
  method: "get",
  path: "/anneal/v1/uploads/{id}",
  summary: "How far an upload is",
  tags: ["Uploads"],
  scope: "read",
  params: idParam,
  firstRead: readUpload,
  answer: { description: "`offset` is the next byte to send.", schema: upload },
  handler: async (call) => fromUpload(await call.services.uploadStatus(uploadOf(call)), call.origin),
});
