/**
 * A job's history in order: events, metrics, logs, notices and the end item, under one count of ids. Items lie in frames
 * (frames.ts), so that reading may begin inside one. Nothing is ever changed, and nothing is dropped before it is sealed
 * into a segment; frames of events and of the end stay here even then, for lists and for the question whether the stream
 * has ended. Loss accepted: none, since an append is in its caller's transaction.
 */
import { DomainError } from "../domain/errors";
import type { EventsPage, StreamEvent, StreamEventPage } from "../domain/ports";
import { intoFrames, itemsOf, takeItems, toItem, type FrameRow, type ItemRange } from "./frames";
import type { Append, ItemKind, Payloads, StreamItem } from "./items";

export class EventLog {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
  }

  /** The id of the last item, 0 before the first. */
  head(): number {
    return Math.max(this.#last()?.last ?? 0, this.floor() - 1);
  }

  /** The first id that `read` can still give: everything below has been sealed. */
  floor(): number {
    const newest = this.#sql.exec<{ last: number }>("SELECT last FROM segments ORDER BY first DESC LIMIT 1");
    return (newest.toArray()[0]?.last ?? 0) + 1;
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
    let upto = this.#last()?.upto ?? 0;
    for (const frame of intoFrames(added.items)) {
      upto += frame.bytes;
      this.#sql.exec(
        "INSERT INTO frames (id, n, kind, attempt, ts, body, upto) VALUES (?, ?, ?, ?, ?, ?, ?)",
        id,
        frame.items.length,
        added.kind,
        added.attempt,
        added.tsMs,
        frame.body,
        upto,
      );
      for (const item of frame.items) appended.push(toItem(id++, added.kind, added.attempt, item));
    }
    return appended;
  }

  /** About how many bytes of bodies are above the floor: the first frame is not counted. */
  unsealedBytes(): number {
    const first = this.#sql
      .exec<{ upto: number }>("SELECT upto FROM frames WHERE id >= ? ORDER BY id LIMIT 1", this.floor())
      .toArray()[0];
    return first === undefined ? 0 : (this.#last()?.upto ?? 0) - first.upto;
  }

  /** At least one item if there is any. What lies below the floor is sealed, and another reader's. */
  read(range: ItemRange): StreamItem[] {
    const frames = this.#sql.exec<FrameRow>(
      `SELECT id, n, kind, attempt, ts, body FROM frames
       WHERE id >= coalesce((SELECT max(id) FROM frames WHERE id <= ?1), 0) ORDER BY id`,
      range.after + 1,
    );
    return takeItems(frames, range);
  }

  /** Events alone, oldest first, by an index that no log or metric is in. */
  listEvents(page: EventsPage): StreamEventPage {
    const after = page.after ?? 0;
    const frames = this.#sql.exec<FrameRow>(
      `SELECT id, n, kind, attempt, ts, body FROM frames WHERE kind = 'event'
       AND id >= coalesce((SELECT max(id) FROM frames WHERE kind = 'event' AND id <= ?1), 0) ORDER BY id`,
      after + 1,
    );
    const items: StreamEvent[] = [];
    for (const frame of frames) {
      for (const item of itemsOf(frame)) {
        if (item.kind !== "event" || item.id <= after) continue;
        if (items.length === page.limit) return { items, hasMore: true };
        items.push(toListed(item.id, item.payload));
      }
    }
    return { items, hasMore: false };
  }

  #last(): { last: number; upto: number } | undefined {
    const last = this.#sql.exec<{ last: number; upto: number }>(
      "SELECT id + n - 1 AS last, upto FROM frames ORDER BY id DESC LIMIT 1",
    );
    return last.toArray()[0];
  }
}

function toListed(id: number, payload: Payloads["event"]): StreamEvent {
  return {
    id,
    type: payload.event_type,
    atMs: Date.parse(payload.timestamp),
    attempt: payload.attempt,
    metadata: payload.metadata,
  };
}
