import { defineRoute } from "../../../http/define-route";
import { jobOf, readJob } from "../first-read";
import { fromModel } from "../map";
import { idParam, model } from "../schema";

export const getModelRoute = defineRoute({
  operationId: "anneal.getModel",
  method: "get",
  path: "/anneal/v1/jobs/{id}/model",
  summary: "Get signed URLs of a completed job's model",
  tags: ["Jobs"],
  scope: "read",
  params: idParam,
  firstRead: readJob,
  answer: { description: "The archive and its files.", schema: model },
  handler: async (call) => fromModel(await call.services.modelDownload(jobOf(call), call.origin)),
});
