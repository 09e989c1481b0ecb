import { defineRoute } from "../../../http/define-route";
import { completionAnswer, readCompletion } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { askModel, readModel } from "../ask-model";
import { completionsRequest as body } from "../inference-schema";

export const getCompletions = defineRoute({
  operationId: "emissary.getCompletionsFromDeployment",
  method: "post",
  path: "/v1/completions",
  scope: "write",
  summary: "Completions",
  tags: ["Inference"],
  maxBodyBytes: MAX_INFERENCE_BYTES,
  body,
  firstReadOfBody: readModel,
  answer: {
    description: "A completion, or a stream of its chunks.",
    schema: completionAnswer,
    contentType: "text/event-stream",
  },
  errors: ["rate_limited"],
  handler: async (call) => {
    const { body: sent } = call;
    const response = await askModel(call, "completions", { model: sent.model, body: sent, stored: sent });
    return sent.stream === true ? response : readCompletion(response);
  },
});
