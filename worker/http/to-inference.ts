/** A request of OpenAI's API (openai-requests.ts) as the model server gets it: one spelling for what has several. */
import type { Endpoint } from "../../protocol";
import { invalid } from "../domain/errors";
import type { InferenceRequest, StoredCall } from "../domain/inference";
import type { Bodies } from "./openai-requests";
import { checkHonoured, checkMessageHonoured } from "./unhonoured-fields";

/** OpenAI's, and that of the servers that follow it. */
const DEFAULT_COMPLETION_TOKENS = 16;

const ID_PREFIX = {
  chat: "chatcmpl-",
  completions: "cmpl-",
  embeddings: "rq-",
  classification: "classify-",
  regression: "regress-",
} as const satisfies Record<Endpoint, string>;

/** Throws naming a field that cannot be honoured. `model` and `store` are the dialect's to fill. */
export function toInference<E extends Endpoint>(
  endpoint: E,
  sent: Bodies[E],
): Pick<InferenceRequest, "endpoint" | "body" | "stream" | "idPrefix"> {
  checkHonoured(endpoint, sent);
  const body = BODY_OF[endpoint](sent);
  return { endpoint, body, stream: body["stream"] === true, idPrefix: ID_PREFIX[endpoint] };
}

/** What `store` asks for: the run is called `interaction`, or as `metadata.interaction` says. */
export function toStoredCall(
  sent: { store?: boolean | null | undefined; metadata?: Record<string, unknown> | null | undefined },
  interaction: string,
): StoredCall | null {
  if (sent.store !== true) return null;
  const named = sent.metadata?.["interaction"];
  if (named === undefined || named === null) return { interaction, environmentId: null, tags: [] };
  if (typeof named === "string" && INTERACTION.test(named))
    return { interaction: named, environmentId: null, tags: [] };
  throw invalid("metadata.interaction", "must be text of 1 to 200 characters, none of them a control character");
}

const INTERACTION = /^(?=[^]*\S)[^\u0000-\u001f\u007f]{1,200}$/;

const BODY_OF: { [E in Endpoint]: (sent: Bodies[E]) => Record<string, unknown> } = {
  chat: (sent) => ({ messages: sent.messages.map(toMessage), ...sampling(sent) }),
  completions: (sent) => ({
    prompt: typeof sent.prompt === "string" ? sent.prompt : sent.prompt[0],
    ...{ max_tokens: DEFAULT_COMPLETION_TOKENS, ...sampling(sent) },
  }),
  embeddings: ({ input, encoding_format, dimensions }) => ({
    input,
    encoding_format: encoding_format ?? "float",
    ...(dimensions ? { dimensions } : {}),
  }),
  classification: ({ input }) => ({ input }),
  regression: ({ input }) => ({ input }),
};

function toMessage(message: Bodies["chat"]["messages"][number], index: number) {
  checkMessageHonoured(message, `messages.${String(index)}`);
  const { role, content } = message;
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map(({ text }) => text).join("\n"),
  };
}

/** Numbers that pass as they are. */
const PASSED = [
  ...(["temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"] as const),
  "seed",
] as const;

function sampling(sent: Bodies["chat" | "completions"]): Record<string, unknown> {
  const { max_tokens: older, max_completion_tokens: newer, top_k: topK, stop } = sent;
  if (older && newer && older !== newer) throw invalid("max_tokens", "is another number than max_completion_tokens");
  const tokens = newer ?? older;
  const stops = typeof stop === "string" ? [stop] : (stop ?? []);
  return {
    ...(tokens ? { max_tokens: tokens } : {}),
    ...Object.fromEntries(PASSED.flatMap((name) => (typeof sent[name] === "number" ? [[name, sent[name]]] : []))),
    ...(topK && topK > 0 ? { top_k: topK } : {}),
    ...(stops.length > 0 ? { stop: stops } : {}),
    ...streaming(sent),
  };
}

function streaming({ stream, stream_options: options }: Bodies["chat" | "completions"]): Record<string, unknown> {
  if (stream === true) return { stream, stream_options: { include_usage: options?.include_usage === true } };
  if (options) throw invalid("stream_options", "is for answers that are streamed");
  return {};
}
