import { CATALOGUE, type CatalogueModel } from "../../../domain/catalogue";
import { defineRoute } from "../../../http/define-route";
import { fromModel, methodOf } from "../map";
import { baseModelList, modelQuery } from "../schema";

export const listBaseModels = defineRoute({
  operationId: "emissary.listBaseModels",
  method: "get",
  path: "/v1/models",
  scope: "read",
  summary: "List base models",
  description:
    "With the parameters of each one's first task, or those of `task_type` where it can be trained for that.",
  tags: ["Base Models"],
  query: modelQuery,
  answer: { description: "List of base models", schema: baseModelList },
  handler: ({ query }) => {
    const asked = query.task_type ?? (query.training_technique === "GRPO" ? "text-generation" : undefined);
    const method = asked === undefined ? null : methodOf(query.training_technique ?? "SFT", asked);
    const shown = ({ tasks }: CatalogueModel) =>
      asked === undefined ? tasks[0] : tasks.find((task) => task === method);
    return Promise.resolve(
      CATALOGUE.flatMap((model) => {
        const task = shown(model);
        return task === undefined ? [] : [fromModel(model, task)];
      }),
    );
  },
});
