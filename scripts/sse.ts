/** Reads Server-Sent Events from a response body, as the standard has them. */

export interface SseItem {
  id: string | null;
  event: string;
  data: string;
}

/** Comments are passed over; an unfinished item at the end of the body is dropped, as it will come again after a resume. */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseItem> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split(/\r?\n\r?\n/);
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const item = parseBlock(block);
      if (item !== null) yield item;
    }
  }
}

function parseBlock(block: string): SseItem | null {
  const data: string[] = [];
  let id: string | null = null;
  let event = "message";
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "data") data.push(value ?? "");
    else if (field === "id") id = value ?? "";
    else if (field === "event") event = value ?? "";
  }
  return data.length === 0 ? null : { id, event, data: data.join("\n") };
}
