import { defineRoute } from "../../../http/define-route";
import { fromEnvironment } from "../environment-map";
import { environment, updateConfig as body } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const updateEnvironmentConfig = defineRoute({
  operationId: "vertesia.updateEnvironmentConfig",
  method: "put",
  path: "/api/v1/environments/{id}/config",
  summary: "Update an environment's configuration and enabled models",
  description: "Each key of `config` that is sent takes the place of the one that was; the others stay.",
  tags: ["Environments"],
  scope: "write",
  params: idParams,
  firstRead: readEnvironment,
  body,
  answer: { description: "The environment as it now is.", schema: environment },
  handler: async (call) => {
    const { enabled_models: enabledModels, config } = call.body;
    const changes = { ...(enabledModels && { fields: { enabledModels } }), ...(config && { config }) };
    return fromEnvironment(await call.services.updateEnvironment(call.principal, environmentOf(call), changes));
  },
});
