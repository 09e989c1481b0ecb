import { defineRoute } from "../../../http/define-route";
import { chatAnswer, readChat } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { askModel, readModel } from "../ask-model";
import { chatRequest as body } from "../inference-schema";

export const getChatCompletions = defineRoute({
  operationId: "emissary.getChatCompletions",
  method: "post",
  path: "/v1/chat/completions",
  scope: "write",
  summary: "Chat Completions",
  tags: ["Inference"],
  maxBodyBytes: MAX_INFERENCE_BYTES,
  body,
  firstReadOfBody: readModel,
  answer: {
    description: "A chat completion, or a stream of its chunks.",
    schema: chatAnswer,
    contentType: "text/event-stream",
  },
  errors: ["rate_limited"],
  handler: async (call) => {
    const { body: sent } = call;
    const response = await askModel(call, "chat", { model: sent.model, body: sent, stored: sent });
    return sent.stream === true ? response : readChat(response);
  },
});
