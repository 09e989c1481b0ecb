import { defineRoute } from "../../../http/define-route";
import { DOWNLOAD_ANSWERS, downloadOf, keyedOf, readSession } from "../call";
import { fromImported } from "../map";
import { importedModel, importedQuery, keyParam } from "../schema";

export const getImportedModelRoute = defineRoute({
  operationId: "trainingModule.getImportedModel",
  method: "get",
  path: "/get_imported_model/{key}",
  summary: "Get the imported model",
  tags: ["Import"],
  scope: "read",
  params: keyParam,
  query: importedQuery,
  firstRead: readSession,
  answer: {
    description: "model.tar.gz, or tokenizer.tar.gz with `tokenizer=1`; with `on_disk=1` where it is.",
    contentType: "application/octet-stream",
    schema: importedModel,
  },
  alsoAnswers: DOWNLOAD_ANSWERS,
  errors: ["conflict", "range_not_satisfiable"],
  handler: async (call) => {
    const role = call.query.tokenizer ? "tokenizer" : "model";
    if (!call.query.on_disk) return call.services.downloadImportedModel(keyedOf(call), role, downloadOf(call.request));
    return fromImported(await call.services.importedModelUrl(keyedOf(call), role, call.origin));
  },
});
