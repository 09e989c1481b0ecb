import { defineRoute } from "../../../http/define-route";
import { fromEnvironment, toFields } from "../environment-map";
import { environment, updateEnvironment as body } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const updateEnvironment = defineRoute({
  operationId: "vertesia.updateEnvironment",
  method: "put",
  path: "/api/v1/environments/{id}",
  summary: "Update an environment",
  description:
    "What is left out stays as it is; what is sent takes the place of what was, lists and `config` as a whole.",
  tags: ["Environments"],
  scope: "write",
  params: idParams,
  firstRead: readEnvironment,
  body,
  answer: { description: "The environment as it now is.", schema: environment },
  handler: async (call) => {
    const changes = { fields: toFields(call.body) };
    return fromEnvironment(await call.services.updateEnvironment(call.principal, environmentOf(call), changes));
  },
});
