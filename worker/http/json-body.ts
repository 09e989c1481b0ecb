/** A JSON body where the route takes other bodies too, and so cannot leave it to the validators. */
import type { z } from "zod";
import { DomainError } from "../domain/errors";
import { MAX_JSON_BYTES } from "./body-limit";
import { refuse } from "./failure";
import { withRawUpload } from "./raw-upload";

export async function readJson<T>(request: Request, schema: z.ZodType<T>, maxBytes = MAX_JSON_BYTES): Promise<T> {
  const text = await withRawUpload(request, maxBytes, async (chunks) => {
    const decoder = new TextDecoder();
    let read = "";
    for await (const chunk of chunks) read += decoder.decode(chunk, { stream: true });
    return read + decoder.decode();
  });
  const parsed = schema.safeParse(json(text));
  if (!parsed.success) throw refuse(parsed.error.issues);
  return parsed.data;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const message = "is not valid JSON";
    throw new DomainError("invalid_request", message, {
      field: "body",
      issues: [{ in: "body", path: [], code: "malformed", message }],
    });
  }
}
