/**
 * A job's history in order: events, metrics, logs, notices and the end item, under one count of ids. Items lie in frames,
 * and item i of a frame has the id `frame + i`, so that reading may begin inside one. Nothing is ever changed, and nothing
 * is dropped before it is sealed into a segment. Loss accepted: none, since an append is in its caller's transaction.
 */
import { DomainError } from "../domain/errors";
import type { EventType } from "../domain/job";
import type { Append, ItemKind, Payloads, StreamItem } from "./items";

/** A row may have 2 MB; smaller frames keep a page of a replay, which reads whole frames, small in memory. */
export const MAX_FRAME_BYTES = 256 * 1024;

type FrameRow = { id: number; n: number; kind: string; attempt: number; body: string };

/** An event as lists show it. */
export interface ListedEvent {
  id: number;
  type: EventType;
  atMs: number;
  attempt: number;
  metadata: Record<string, unknown>;
}

export class EventLog {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The id of the last item, 0 before the first. */
  head(): number {
    const frame = this.#sql.exec<{ last: number }>("SELECT id + n - 1 AS last FROM frames ORDER BY id DESC LIMIT 1");
    return frame.toArray()[0]?.last ?? this.floor() - 1;
  }

  /** The first id that `read` can still give: everything below has been sealed. */
  floor(): number {
    return this.#sql.exec<{ floor: number }>("SELECT coalesce(max(last), 0) + 1 AS floor FROM segments").one().floor;
  }

  /** The id of the end item once the stream has ended. */
  endedAt(): number | null {
    return this.#sql.exec<{ id: number }>("SELECT id FROM frames WHERE kind = 'end' LIMIT 1").toArray()[0]?.id ?? null;
  }

  /** Adds items after the head and gives them back with their ids. Nothing can follow the end item. */
  append<K extends ItemKind>(added: Append<K>): StreamItem[] {
    if (this.endedAt() !== null) throw new DomainError("conflict", "the job's stream has ended");
    const appended: StreamItem[] = [];
    let id = this.head() + 1;
    for (const frame of intoFrames(added.items)) {
      this.#sql.exec(
        "INSERT INTO frames (id, n, kind, attempt, ts, body) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        frame.items.length,
        added.kind,
        added.attempt,
        added.tsMs,
        frame.body,
      );
      for (const item of frame.items) appended.push(toItem(id++, added.kind, added.attempt, item));
    }
    return appended;
  }

  /**
   * The items right after the id `after`, at most `maxItems` and about `maxBytes` of them (an item counts as its share of
   * its frame), at least one if there is any.
   */
  read(range: { after: number; maxItems: number; maxBytes: number }): StreamItem[] {
    const items: StreamItem[] = [];
    let bytes = 0;
    const frames = this.#sql.exec<FrameRow>(
      `SELECT id, n, kind, attempt, body FROM frames
       WHERE id >= coalesce((SELECT max(id) FROM frames WHERE id <= ?1), 0) ORDER BY id`,
      range.after + 1,
    );
    for (const frame of frames) {
      const share = frame.body.length / frame.n;
      for (const item of itemsOf(frame)) {
        if (item.id <= range.after) continue;
        if (items.length > 0 && (items.length >= range.maxItems || bytes + share > range.maxBytes)) return items;
        items.push(item);
        bytes += share;
      }
      if (items.length >= range.maxItems || bytes >= range.maxBytes) return items;
    }
    return items;
  }

  /** Events alone, oldest first, by an index that no log or metric is in. */
  listEvents(query: { limit: number; after?: number; types?: readonly EventType[] }): {
    items: ListedEvent[];
    hasMore: boolean;
  } {
    const after = query.after ?? 0;
    const frames = this.#sql.exec<FrameRow>(
      `SELECT id, n, kind, attempt, body FROM frames WHERE kind = 'event'
       AND id >= coalesce((SELECT max(id) FROM frames WHERE kind = 'event' AND id <= ?1), 0) ORDER BY id`,
      after + 1,
    );
    const items: ListedEvent[] = [];
    for (const frame of frames) {
      for (const item of itemsOf(frame)) {
        if (item.kind !== "event" || item.id <= after) continue;
        if (query.types !== undefined && !query.types.includes(item.payload.event_type)) continue;
        if (items.length === query.limit) return { items, hasMore: true };
        items.push(toListed(item.id, item.payload));
      }
    }
    return { items, hasMore: false };
  }
}

function itemsOf(frame: FrameRow): StreamItem[] {
  const bodies = JSON.parse(frame.body) as object[];
  return bodies.map((body, index) => toItem(frame.id + index, frame.kind as ItemKind, frame.attempt, body));
}

/** The attempt is a column of the frame, not repeated in each item of its body. */
function toItem(id: number, kind: ItemKind, attempt: number, body: object): StreamItem {
  return { id, kind, payload: kind === "end" ? body : { ...body, attempt } } as StreamItem;
}

function toListed(id: number, payload: Payloads["event"]): ListedEvent {
  return {
    id,
    type: payload.event_type,
    atMs: Date.parse(payload.timestamp),
    attempt: payload.attempt,
    metadata: payload.metadata,
  };
}

function* intoFrames(items: readonly object[]): Generator<{ items: object[]; body: string }> {
  const encoder = new TextEncoder();
  let inFrame: object[] = [];
  let parts: string[] = [];
  let bytes = 2;
  for (const item of items) {
    const part = JSON.stringify(item);
    const partBytes = encoder.encode(part).byteLength + 1;
    if (partBytes + 2 > MAX_FRAME_BYTES) {
      throw new DomainError("payload_too_large", `an item of the stream has at most ${String(MAX_FRAME_BYTES)} bytes`);
    }
    if (bytes + partBytes > MAX_FRAME_BYTES) {
      yield { items: inFrame, body: `[${parts.join(",")}]` };
      [inFrame, parts, bytes] = [[], [], 2];
    }
    inFrame.push(item);
    parts.push(part);
    bytes += partBytes;
  }
  if (inFrame.length > 0) yield { items: inFrame, body: `[${parts.join(",")}]` };
}
