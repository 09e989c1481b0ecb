/** How items look as Server-Sent Events (DESIGN §6), and how a client says where it left off. Pure. */
import { invalid } from "../domain/errors";
import type { JobStatus } from "../domain/job-state";
import type { StreamItem } from "./items";

/** A dialect's word for each status, used by the end item. */
export type StatusWords = Record<JobStatus, string>;

/** A comment: clients ignore it, dead connections fail on it. */
export const KEEP_ALIVE = ": keep-alive\n\n";

export function renderItem(item: StreamItem, statusWords: StatusWords): string {
  return `id: ${String(item.id)}\nevent: ${item.kind}\ndata: ${JSON.stringify(dataOf(item, statusWords))}\n\n`;
}

/**
 * Says that the items from `from` to `to` cannot be read any more, and the paths at which events and metrics still can.
 * Its id lets a client go on behind them.
 */
export function renderGap(gap: { from: number; to: number }, readInstead: readonly string[]): string {
  const data = { ...gap, read_instead: readInstead };
  return `id: ${String(gap.to)}\nevent: gap\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The id after which a stream begins: 0 without the header, `head` for an id that does not exist yet. */
export function parseLastEventId(header: string | null, head: number): number {
  if (header === null) return 0;
  if (!/^[0-9]+$/.test(header)) throw invalid("Last-Event-ID", "Last-Event-ID must be a non-negative integer");
  return Math.min(Number(header), head);
}

function dataOf(item: StreamItem, statusWords: StatusWords): object {
  switch (item.kind) {
    case "event": {
      const { timestamp, event_type, metadata } = item.payload;
      return { timestamp, event_type, metadata };
    }
    case "metric": {
      const { timestamp, step, attempt, values } = item.payload;
      return { timestamp, step, attempt, values };
    }
    case "log": {
      const { timestamp, line, stream } = item.payload;
      return { timestamp, line, stream };
    }
    case "notice": {
      const { timestamp, message } = item.payload;
      return { timestamp, message };
    }
    case "end":
      return { status: statusWords[item.payload.status] };
  }
}
