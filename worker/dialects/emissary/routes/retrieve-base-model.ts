import { catalogueModel } from "../../../domain/catalogue";
import { invalid, notFound } from "../../../domain/errors";
import { defineRoute } from "../../../http/define-route";
import { fromModel, methodOf } from "../map";
import { baseModel, modelParams, modelQuery } from "../schema";

export const retrieveBaseModel = defineRoute({
  operationId: "emissary.retrieveBaseModelByName",
  method: "get",
  path: "/v1/models/{base_model_name}",
  lastParamIsRest: true,
  scope: "read",
  summary: "Retrieve base model",
  tags: ["Base Models"],
  params: modelParams,
  query: modelQuery,
  answer: {
    description: "The base model, with the parameters of its first task or of `task_type`.",
    schema: baseModel,
  },
  errors: ["not_found"],
  handler: ({ params, query }) => {
    const model = catalogueModel(params.base_model_name);
    if (!model) throw notFound("base model");
    const technique = query.training_technique ?? "SFT";
    const asked = query.task_type ?? (technique === "GRPO" ? "text-generation" : undefined);
    const method = asked === undefined ? model.tasks[0] : methodOf(technique, asked);
    const task = model.tasks.find((one) => one === method);
    if (task === undefined)
      throw invalid("task_type", `${model.name} cannot be trained for ${String(asked)} by ${technique}`);
    return Promise.resolve(fromModel(model, task));
  },
});
