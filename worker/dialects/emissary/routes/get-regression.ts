import { defineRoute } from "../../../http/define-route";
import { readRegression } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { askModel, readModel } from "../ask-model";
import { regression, regressionRequest as body } from "../inference-schema";

export const getRegression = defineRoute({
  operationId: "emissary.getRegressionFromDeployment",
  method: "post",
  path: "/v1/regression",
  scope: "write",
  summary: "Regression",
  description: "Not in the maker's document, though in its product.",
  tags: ["Inference"],
  maxBodyBytes: MAX_INFERENCE_BYTES,
  body,
  firstReadOfBody: readModel,
  answer: { description: "The predicted value", schema: regression },
  errors: ["rate_limited"],
  handler: async (call) => {
    const { model, ...sent } = call.body;
    return readRegression(await askModel(call, "regression", { model, body: sent }));
  },
});
