import { defineRoute } from "../../../http/define-route";
import { fromEnvironment } from "../environment-map";
import { enabledModelParams, environment } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";

export const disableModel = defineRoute({
  operationId: "vertesia.disableModel",
  method: "delete",
  path: "/api/v1/environments/{id}/models/enabled/{model_id}",
  lastParamIsRest: true,
  summary: "Disable a model",
  tags: ["Environments"],
  scope: "write",
  params: enabledModelParams,
  firstRead: readEnvironment,
  answer: {
    description: "The environment as it now is; one that was not enabled changes nothing.",
    schema: environment,
  },
  handler: async (call) => {
    const changes = { disable: call.params.model_id };
    return fromEnvironment(await call.services.updateEnvironment(call.principal, environmentOf(call), changes));
  },
});
