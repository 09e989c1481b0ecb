import { defineRoute } from "../../../http/define-route";
import { readClassification } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { askModel, readModel } from "../ask-model";
import { classification, classificationRequest as body } from "../inference-schema";

export const getClassification = defineRoute({
  operationId: "emissary.getClassificationFromDeployment",
  method: "post",
  path: "/v1/classification",
  scope: "write",
  summary: "Classification",
  tags: ["Inference"],
  maxBodyBytes: MAX_INFERENCE_BYTES,
  body,
  firstReadOfBody: readModel,
  answer: { description: "Successful operation", schema: classification },
  errors: ["rate_limited"],
  handler: async (call) => {
    const { model, data_format: format, ...sent } = call.body;
    const { data, ...said } = await readClassification(await askModel(call, "classification", { model, body: sent }));
    const shown = data.map(({ index, logits, probs }) => (format === "probs" ? { index, probs } : { index, logits }));
    return { ...said, data: shown };
  },
});
