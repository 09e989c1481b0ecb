import { trainableModels } from "../../../domain/environment-models";
import { defineRoute } from "../../../http/define-route";
import { fromModel } from "../environment-map";
import { models } from "../environment-schema";
import { environmentOf, readEnvironment } from "../first-read";
import { idParams } from "../schema";

export const listTrainableModels = defineRoute({
  operationId: "vertesia.listTrainableModels",
  method: "get",
  path: "/api/v1/environments/{id}/trainable-models",
  summary: "List the models that sessions can train",
  description: "Those of Anneal's catalogue. A session takes any other Hugging Face id too.",
  tags: ["Environments"],
  scope: "read",
  params: idParams,
  firstRead: readEnvironment,
  answer: { description: "The models.", schema: models },
  handler: (call) => Promise.resolve(trainableModels(environmentOf(call)).map(fromModel)),
});
