import { defineRoute } from "../../../http/define-route";
import { found, readById } from "../../../http/first-reads";
import { inferenceRequest } from "../../../http/inference-request";
import { chatAnswer, readChat } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { chatRequest } from "../deployment-schema";
import { idParams, PREFIX } from "../schema";

export const createChatCompletion = defineRoute({
  operationId: "veri.createChatCompletion",
  method: "post",
  path: "/v1/deployments/{id}/chat/completions",
  scope: "write",
  summary: "Ask a deployment, as OpenAI's API has it",
  description: "Waits for a deployment that has to come up first, then 503 with `Retry-After`.",
  tags: ["deployments"],
  params: idParams,
  body: chatRequest,
  maxBodyBytes: MAX_INFERENCE_BYTES,
  firstRead: readById("deployment", PREFIX.deployment),
  answer: {
    description: "The answer; streamed (`stream: true`) as Server-Sent Events, the last of them `[DONE]`.",
    schema: chatAnswer,
    contentType: "text/event-stream",
  },
  errors: ["rate_limited", "unavailable"],
  handler: async ({ first, body, principal, services }) => {
    const served = found(first.served, "deployment");
    const answer = await services.infer(principal, served, inferenceRequest("chat", served, body));
    return body.stream === true ? answer : readChat(answer);
  },
});
