import { z } from "@hono/zod-openapi";
import type { Endpoint } from "../../../../protocol";
import { parseId } from "../../../domain/ids";
import type { FirstRead } from "../../../domain/ports";
import { defineRoute, type Route } from "../../../http/define-route";
import { found } from "../../../http/first-reads";
import { inferenceRequest, type NamedBody } from "../../../http/inference-request";
import { readAnswer } from "../../../http/openai-answers";
import { MAX_INFERENCE_BYTES } from "../../../http/openai-requests";
import { PATH_OF } from "../engine-map";
import { inferenceBodies } from "../engine-schema";
import { PREFIX } from "../schema";

/** A deployment by its id or its name; else a catalogue model, which the first call of it deploys. */
function inferRoute<E extends Endpoint>(
  endpoint: E,
  schema: z.ZodType<NamedBody<E>>,
  { operation, summary }: { operation: string; summary: string },
): Route {
  return defineRoute({
    operationId: `anneal.${operation}`,
    method: "post",
    path: `/anneal/v1/deployments/{deployment}/${PATH_OF[endpoint]}`,
    summary,
    description:
      "`deployment` is an id, a name, or a model of the catalogue that needs no engine of one's own. Waits for one that " +
      "has to come up first, then 503 with `Retry-After`.",
    tags: ["Inference"],
    scope: "write",
    params: z.object({ deployment: z.string() }),
    body: schema,
    maxBodyBytes: MAX_INFERENCE_BYTES,
    firstRead: namedDeployment,
    answer: {
      description: "The answer; of chats and completions with `stream: true` as Server-Sent Events.",
      schema: z.record(z.string(), z.unknown()),
      contentType: "text/event-stream",
    },
    errors: ["rate_limited", "unavailable"],
    handler: async (call) => {
      const { services, principal, body, params } = call;
      const served = call.first.served ?? (await services.serverlessModel(principal, params.deployment));
      const model = found(served, "deployment");
      const request = inferenceRequest(endpoint, model, body);
      return readAnswer(request, await services.infer(principal, model, request));
    },
  });
}

function namedDeployment({ deployment: name = "" }: Record<string, string>): FirstRead {
  return { kind: "served", name, id: parseId(PREFIX.deployment, name) };
}

const { chat, completions, embeddings, classification, regression } = inferenceBodies;

export const inferRoutes: Route[] = [
  inferRoute("chat", chat, {
    operation: "createChatCompletion",
    summary: "Ask a deployment to go on with a conversation",
  }),
  inferRoute("completions", completions, {
    operation: "createCompletion",
    summary: "Ask a deployment to go on with a text",
  }),
  inferRoute("embeddings", embeddings, { operation: "createEmbeddings", summary: "Texts as vectors" }),
  inferRoute("classification", classification, {
    operation: "classify",
    summary: "A text's labels, with logits and probs",
  }),
  inferRoute("regression", regression, { operation: "predictScore", summary: "A text's score" }),
];
