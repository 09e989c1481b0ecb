/**
 * Streamed chat with a model server that only keeps time (bench/servers): the reader knows every token that it must get, so
 * that one that is lost, doubled or of another stream is seen.
 */
import { z } from "zod";
import { readSse } from "../../scripts/sse";

export interface PacedScript {
  /** No other request's. */
  tag: string;
  tokens: number;
  /** 0: as fast as it goes. */
  perSecond: number;
}

/** Where chat completions are asked for: Anneal, or the model server itself. */
export interface ChatTarget {
  url: string;
  key: string;
  model: string;
}

export interface PacedAnswer {
  status: number;
  /** What came, token by token joined. */
  text: string;
  /** The stream said that it is over, or the JSON answer was there. */
  isWhole: boolean;
  /** What the answer said is wrong: of an error's body, or of an error event. */
  error: string | null;
  retryAfterSeconds: number | null;
  /** Since the request; null: no token came. */
  firstTokenMs: number | null;
  totalMs: number;
}

export function pacedText({ tag, tokens }: PacedScript): string {
  return Array.from({ length: tokens }, (_, n) => `${tag}:${String(n)} `).join("");
}

const failed = z.object({ error: z.unknown() });
const piece = z.union([
  failed,
  z.object({ choices: z.array(z.object({ delta: z.object({ content: z.string().optional() }) })) }),
]);
const answer = z.object({ choices: z.tuple([z.object({ message: z.object({ content: z.string() }) })]) });

/** Asks and reads to the end; throws when the connection fails or breaks off. `onToken` hears how many pieces have come. */
export async function askPaced(
  { url, key, model }: ChatTarget,
  { tag, tokens, perSecond }: PacedScript,
  options: { stream: boolean; signal?: AbortSignal; onToken?: (count: number) => void },
): Promise<PacedAnswer> {
  const startedAtMs = performance.now();
  const script = { tag, tokens, per_second: perSecond };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: JSON.stringify(script) }],
      stream: options.stream,
    }),
    signal: options.signal ?? null,
  });
  const retryAfter = response.headers.get("retry-after");
  const result: PacedAnswer = {
    status: response.status,
    text: "",
    isWhole: false,
    error: null,
    retryAfterSeconds: retryAfter === null ? null : Number(retryAfter),
    firstTokenMs: null,
    totalMs: 0,
  };
  if (!response.ok || response.body === null) result.error = await response.text();
  else if (!options.stream) {
    result.text = answer.parse(await response.json()).choices[0].message.content;
    result.isWhole = true;
  } else {
    let count = 0;
    for await (const { data } of readSse(response.body)) {
      if (data === "[DONE]") result.isWhole = true;
      else {
        const said = piece.parse(JSON.parse(data));
        if ("error" in said) result.error = JSON.stringify(said.error);
        const token = "error" in said ? "" : (said.choices[0]?.delta.content ?? "");
        if (token === "") continue;
        result.firstTokenMs ??= performance.now() - startedAtMs;
        result.text += token;
        options.onToken?.((count += 1));
      }
    }
  }
  return { ...result, totalMs: performance.now() - startedAtMs };
}
