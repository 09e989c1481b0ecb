import { namedModel } from "../../../domain/environment-models";
import { defineRoute } from "../../../http/define-route";
import { fromEnvironment } from "../environment-map";
import { enableModel as body, environment } from "../environment-schema";
import { inWords } from "../errors";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const enableModel = defineRoute({
  operationId: "vertesia.enableModel",
  method: "post",
  path: "/api/v1/environments/{id}/models/enabled",
  summary: "Enable a model",
  description: "One that the environment lists, or any other Hugging Face id.",
  tags: ["Environments"],
  scope: "write",
  params: idParams,
  firstRead: readEnvironment,
  body,
  answer: { description: "The environment as it now is.", schema: environment },
  handler: (call) =>
    inWords(
      () => "model_id",
      async () => {
        const of = environmentOf(call);
        const changes = { enable: namedModel(of, call.body.model_id) };
        return fromEnvironment(await call.services.updateEnvironment(call.principal, of, changes));
      },
    ),
});
