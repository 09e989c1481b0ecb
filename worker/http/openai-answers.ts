/**
 * Answers that are not streamed, as they leave: what the model servers agree on, in OpenAI's shapes. Servers add what they
 * like (tool calls, token counts of other kinds, nulls), which no client of these APIs was promised.
 */
import { z } from "@hono/zod-openapi";
import type { Endpoint } from "../../protocol";

const usage = z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() });
const head = {
  id: z.string(),
  created: z.int().openapi({ description: "UNIX time in seconds." }),
  model: z.string().openapi({ description: "As the request has it." }),
};

export const chatAnswer = z
  .object({
    ...head,
    object: z.literal("chat.completion"),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({ role: z.literal("assistant"), content: z.string(), refusal: z.null() }),
        finish_reason: z.string().openapi({ example: "stop" }),
      }),
    ),
    usage,
  })
  .openapi("ChatCompletionObject");

export const completionAnswer = z
  .object({
    ...head,
    object: z.literal("text_completion"),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: z.null(),
        finish_reason: z.string().openapi({ example: "length" }),
      }),
    ),
    usage,
  })
  .openapi("CompletionObject");

export const embeddingsAnswer = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: z.int(),
      embedding: z
        .union([z.array(z.number()), z.string()])
        .openapi({ description: "Numbers, or base64 of little-endian 32-bit ones." }),
    }),
  ),
  model: z.string(),
  usage: usage.omit({ completion_tokens: true }),
});

/** `total_tokens` follows from the others. */
const saidUsage = z
  .object({ prompt_tokens: z.int().default(0), completion_tokens: z.int().default(0) })
  .transform((counted) => ({ ...counted, total_tokens: counted.prompt_tokens + counted.completion_tokens }));
const finish = z.string().nullish();

const saidChat = z.object({
  ...head,
  choices: z.array(
    z.object({ index: z.int(), message: z.object({ content: z.string().nullish() }), finish_reason: finish }),
  ),
  usage: saidUsage,
});
const saidCompletion = z.object({
  ...head,
  choices: z.array(z.object({ index: z.int(), text: z.string(), finish_reason: finish })),
  usage: saidUsage,
});
const saidEmbeddings = z.object({
  model: z.string(),
  data: z.array(z.object({ index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  usage: saidUsage,
});
const saidVectors = z.object({
  id: z.string(),
  data: z.array(z.object({ index: z.int(), embedding: z.array(z.number()) })),
});
const saidClassification = z.object({
  id: z.string(),
  model: z.string(),
  data: z.array(
    z.object({
      index: z.int(),
      logits: z.record(z.string(), z.number()),
      probs: z.record(z.string(), z.number()),
    }),
  ),
  usage: saidUsage,
});
const saidRegression = z.object({
  id: z.string(),
  model: z.string(),
  data: z.array(z.object({ index: z.int(), value: z.number() })),
  usage: saidUsage,
});

export async function readChat(response: Response): Promise<z.input<typeof chatAnswer>> {
  const { choices, ...said } = saidChat.parse(await response.json());
  return {
    ...said,
    object: "chat.completion",
    choices: choices.map(({ index, message, finish_reason }) => ({
      index,
      message: { role: "assistant", content: message.content ?? "", refusal: null },
      finish_reason: finish_reason ?? "stop",
    })),
  };
}

export async function readCompletion(response: Response): Promise<z.input<typeof completionAnswer>> {
  const { choices, ...said } = saidCompletion.parse(await response.json());
  return {
    ...said,
    object: "text_completion",
    choices: choices.map(({ index, text, finish_reason }) => ({
      ...{ index, text, logprobs: null, finish_reason: finish_reason ?? "stop" },
    })),
  };
}

export async function readEmbeddings(response: Response): Promise<z.input<typeof embeddingsAnswer>> {
  const { data, model, usage: counted } = saidEmbeddings.parse(await response.json());
  return {
    object: "list",
    data: data.map(({ index, embedding }) => ({ object: "embedding", index, embedding })),
    model,
    usage: { prompt_tokens: counted.prompt_tokens, total_tokens: counted.prompt_tokens },
  };
}

/** The embeddings of a list of texts, as numbers and in its order. */
export async function readVectors(response: Response): Promise<{ id: string; vectors: number[][] }> {
  const { id, data } = saidVectors.parse(await response.json());
  const inOrder = [...data].sort((one, other) => one.index - other.index);
  return { id, vectors: inOrder.map(({ embedding }) => embedding) };
}

export async function readClassification(response: Response): Promise<z.output<typeof saidClassification>> {
  return saidClassification.parse(await response.json());
}

export async function readRegression(response: Response): Promise<z.output<typeof saidRegression>> {
  return saidRegression.parse(await response.json());
}

const READ = {
  chat: readChat,
  completions: readCompletion,
  embeddings: readEmbeddings,
  classification: readClassification,
  regression: readRegression,
} satisfies Record<Endpoint, (response: Response) => Promise<object>>;

/** Any endpoint's; one that is streamed passes as it is. */
export function readAnswer(
  { endpoint, stream }: { endpoint: Endpoint; stream: boolean },
  response: Response,
): Promise<Record<string, unknown>> | Response {
  return stream ? response : READ[endpoint](response);
}
