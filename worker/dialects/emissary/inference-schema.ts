/** What deployments are asked, and what they answer, where the contract has more than OpenAI's API or another shape. */
import { z } from "@hono/zod-openapi";
import {
  chatBody,
  classificationBody,
  completionsBody,
  embeddingsBody,
  regressionBody,
} from "../../http/openai-requests";
import { embeddingsAnswer } from "../../http/openai-answers";

const model = z.string().openapi({
  example: "training-job-1-checkpoint-3",
  description: "A deployment's name or id, or a base model with `support_serverless`.",
});

export const chatRequest = chatBody.extend({ model }).openapi("ChatCompletionRequest");
export const completionsRequest = completionsBody.extend({ model }).openapi("CompletionRequest");
export const regressionRequest = regressionBody.extend({ model }).openapi("RegressionRequest");

export const DATA_FORMATS = ["logits", "probs"] as const;
export const classificationRequest = classificationBody
  .extend({
    model,
    data_format: z.enum(DATA_FORMATS).nullish().openapi({ description: "`logits` by default." }),
  })
  .openapi("ClassificationRequest");

const measure = z.boolean().nullish();
export const embeddingsRequest = embeddingsBody
  .extend({
    model,
    target: z.string().nullish().openapi({
      example: "Paris is the capital of France.",
      description: "To be compared with `input`: the answer is the contract's. Without it the answer is OpenAI's list.",
    }),
    cosine: measure.openapi({ description: "With `target`; true by default." }),
    manhattan: measure.openapi({ description: "With `target`." }),
    euclidean: measure.openapi({ description: "With `target`." }),
  })
  .openapi("EmbeddingRequest");
export type EmbeddingsRequest = z.output<typeof embeddingsRequest>;

export const comparison = z
  .object({
    id: z.string(),
    response: z.object({
      input_embedding: z.array(z.number()),
      target_embedding: z.array(z.number()),
      cosine_score: z.number().optional(),
      manhattan_distance: z.number().optional(),
      euclidean_distance: z.number().optional(),
    }),
  })
  .openapi("EmbeddingComparison");
export const embeddings = z.union([comparison, embeddingsAnswer.openapi("EmbeddingList")]);

const usage = z.object({ completion_tokens: z.int(), prompt_tokens: z.int(), total_tokens: z.int() });
const scores = z.record(z.string(), z.number());

export const classification = z
  .object({
    id: z.string(),
    model: z.string(),
    data: z.array(
      z.union([
        z.object({ index: z.int(), logits: scores }),
        z.object({ index: z.int(), probs: scores.openapi({ description: "Softmax, or sigmoid of each label." }) }),
      ]),
    ),
    usage,
  })
  .openapi("Classification");

export const regression = z
  .object({
    id: z.string(),
    model: z.string(),
    data: z.array(z.object({ index: z.int(), value: z.number() })),
    usage,
  })
  .openapi("Regression");
