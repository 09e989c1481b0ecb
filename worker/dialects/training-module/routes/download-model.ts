import { defineRoute } from "../../../http/define-route";
import { downloadOf, keyedOf, readSession, DOWNLOAD_ANSWERS } from "../call";
import { keyParam } from "../schema";

export const downloadModelRoute = defineRoute({
  operationId: "trainingModule.downloadModel",
  method: "get",
  path: "/download_model/{key}",
  summary: "Download the trained model",
  tags: ["Session"],
  scope: "read",
  params: keyParam,
  firstRead: readSession,
  answer: { description: "model.tar.gz: weights and tokenizer.", contentType: "application/octet-stream" },
  alsoAnswers: DOWNLOAD_ANSWERS,
  errors: ["conflict", "range_not_satisfiable"],
  handler: (call) => call.services.downloadModuleModel(keyedOf(call), downloadOf(call.request)),
});
