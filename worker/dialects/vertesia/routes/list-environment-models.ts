import { environmentModels } from "../../../domain/environment-models";
import { defineRoute } from "../../../http/define-route";
import { fromModel } from "../environment-map";
import { models, modelSearch } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const listEnvironmentModels = defineRoute({
  operationId: "vertesia.listEnvironmentModels",
  method: "get",
  path: "/api/v1/environments/{id}/models",
  summary: "List the models of an environment",
  tags: ["Environments"],
  scope: "read",
  params: idParams,
  query: modelSearch,
  firstRead: readEnvironment,
  answer: { description: "Anneal's catalogue, then what else it has enabled.", schema: models },
  handler: (call) => Promise.resolve(environmentModels(environmentOf(call), call.query).map(fromModel)),
});
