import { defineRoute } from "../../../http/define-route";
import { readUpload, uploadOf } from "../first-read";
import { deleted, idParam } from "../schema";

export const deleteUploadRoute = defineRoute({
  operationId: "anneal.deleteUpload",
  method: "delete",
  path: "/anneal/v1/uploads/{id}",
  summary: "Abort an upload and drop its bytes",
  tags: ["Uploads"],
  scope: "write",
  params: idParam,
  firstRead: readUpload,
  answer: { description: "Gone; safe to repeat. One that is a dataset by now is a 409.", schema: deleted },
  errors: ["conflict"],
  handler: async (call) => {
    await call.services.abortUpload(uploadOf(call));
    return { id: call.params.id, deleted: true as const };
  },
});
