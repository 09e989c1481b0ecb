import { defineRoute } from "../../../http/define-route";
import { keyedOf, readSession } from "../call";
import { fromView } from "../map";
import { importQuery, keyParam, moduleStatus } from "../schema";

export const importModelRoute = defineRoute({
  operationId: "trainingModule.importModel",
  method: "post",
  path: "/import_model/{key}",
  summary: "Bring a model to the deployment",
  tags: ["Import"],
  scope: "write",
  params: keyParam,
  query: importQuery,
  firstRead: readSession,
  answer: { description: "Begun.", schema: moduleStatus },
  errors: ["conflict"],
  handler: async (call) => {
    const { model_name: name, model_type: taskType } = call.query;
    return fromView(await call.services.importModuleModel(keyedOf(call), { name, taskType }));
  },
});
