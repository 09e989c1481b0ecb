/**
 * Requests for a model as OpenAI's API has them, and the two endpoints beside it, without `model`, for whichever dialect
 * takes them: what is documented and checked here becomes the model server's body in to-inference.ts. null stands for absent.
 */
import { z } from "@hono/zod-openapi";

/** Prompts are long where jobs' requests are not; the relay carries no more. */
export const MAX_INFERENCE_BYTES = 8 * 1024 * 1024;
const MAX_STOPS = 16;
const MAX_INPUTS = 2048;
const ONE_PROMPT = "must be one text: a request has one answer";

/** UTF-8 has no halves of surrogate pairs. */
const text = z.string().refine((sent) => sent.isWellFormed(), "must be text without lone surrogates");

/** Where the path says who is asked: what the answer says again, from a frame that it must fit into. */
export const saidModel = text.max(300, "must have at most 300 characters").nullish();

const between = (min: number, max: number) =>
  z
    .number()
    .min(min, `must be at least ${String(min)}`)
    .max(max, `must be at most ${String(max)}`)
    .nullish();
const whole = z.int("must be a whole number").min(1, "must be at least 1");

const sampling = {
  max_tokens: whole.nullish().openapi({ description: "The most tokens to answer." }),
  max_completion_tokens: whole.nullish().openapi({ description: "As `max_tokens`." }),
  temperature: between(0, 2).openapi({ description: "0 takes the likeliest token each time." }),
  top_p: z.number().gt(0, "must be above 0").max(1, "must be at most 1").nullish(),
  top_k: z.int("must be a whole number").min(-1, "must be at least -1").nullish().openapi({
    description: "-1 and 0 stand for all tokens.",
  }),
  min_p: between(0, 1),
  frequency_penalty: between(-2, 2),
  presence_penalty: between(-2, 2),
  repetition_penalty: z.number().gt(0, "must be above 0").max(10, "must be at most 10").nullish(),
  // Of 64 bits, as OpenAI's; JSON here keeps 53 of them.
  seed: z
    .number()
    .refine(Number.isInteger, "must be a whole number")
    .gt(-(2 ** 63), "must have at most 64 bits")
    .lt(2 ** 63, "must have at most 64 bits")
    .nullish()
    .openapi({ type: "integer" }),
  stop: z
    .union(
      [text.min(1, "must not be empty"), z.array(text.min(1)).max(MAX_STOPS)],
      `must be a text, or a list of at most ${String(MAX_STOPS)}, none of them empty`,
    )
    .nullish()
    .openapi({ description: "Where the answer ends; these texts are not part of it." }),
  n: z.literal(1, "must be 1: a request has one answer").nullish(),
  stream: z.boolean().nullish().openapi({ description: "Server-sent events, the last of them `[DONE]`." }),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  store: z.boolean().nullish().openapi({ description: "Keeps the call as a run of the key's project." }),
  metadata: z.record(z.string(), z.unknown()).nullish(),
};

const textPart = z.looseObject({ type: z.literal("text", "must be text: nothing else is understood here"), text });

const message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant"]).openapi({ description: "`developer` is `system`." }),
  content: z.union([text, z.array(textPart).min(1, "must have a part")], "must be text, or a list of text parts"),
});

export const chatBody = z.looseObject({
  messages: z.array(message).min(1, "must have a message"),
  ...sampling,
});

export const completionsBody = z.looseObject({
  prompt: z
    .union([text, z.array(text).length(1, ONE_PROMPT)], ONE_PROMPT)
    .openapi({ example: "The capital of France is" }),
  ...sampling,
  max_tokens: whole.nullish().openapi({ description: "The most tokens to answer, 16 by default." }),
});

export const embeddingsBody = z.looseObject({
  input: z
    .union(
      [text, z.array(text).min(1, "must have a text").max(MAX_INPUTS)],
      `must be a text or a list of at most ${String(MAX_INPUTS)} texts`,
    )
    .openapi({ example: "What is the capital of France?" }),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: whole.nullish(),
});

export const classificationBody = z.looseObject({ input: text.openapi({ example: "category1 related text" }) });
export const regressionBody = z.looseObject({ input: text });

export interface Bodies {
  chat: z.output<typeof chatBody>;
  completions: z.output<typeof completionsBody>;
  embeddings: z.output<typeof embeddingsBody>;
  classification: z.output<typeof classificationBody>;
  regression: z.output<typeof regressionBody>;
}
