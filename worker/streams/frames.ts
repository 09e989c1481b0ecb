/**
 * Frames: runs of items of one kind and attempt, as they are stored, in the object's SQLite or sealed in R2. `body` is a
 * JSON array of payloads, and item i of a frame has the id `frame + i`. Pure.
 */
import { DomainError } from "../domain/errors";
import type { ItemKind, StreamItem } from "./items";

/** A row may have 2 MB; smaller frames keep a page of a replay, which reads whole frames, small in memory. */
export const MAX_FRAME_BYTES = 256 * 1024;

export type FrameRow = { id: number; n: number; kind: string; attempt: number; ts: number; body: string };

/** The items right after the id `after`, at most `maxItems` and about `maxBytes` of them. */
export interface ItemRange {
  after: number;
  maxItems: number;
  maxBytes: number;
}

/** The items of a range out of frames that follow each other; an item counts as its share of its frame. */
export function takeItems(frames: Iterable<FrameRow>, range: ItemRange): StreamItem[] {
  const items: StreamItem[] = [];
  let bytes = 0;
  for (const frame of frames) {
    if (frame.id + frame.n <= range.after + 1) continue;
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

export function itemsOf(frame: FrameRow): StreamItem[] {
  const bodies = JSON.parse(frame.body) as object[];
  return bodies.map((body, index) => toItem(frame.id + index, frame.kind as ItemKind, frame.attempt, body));
}

/** The attempt is a column of the frame, not repeated in each item of its body. */
export function toItem(id: number, kind: ItemKind, attempt: number, body: object): StreamItem {
  return { id, kind, payload: kind === "end" ? body : { ...body, attempt } } as StreamItem;
}

/** Cuts payloads into bodies of at most MAX_FRAME_BYTES. */
export function* intoFrames(items: readonly object[]): Generator<{ items: object[]; body: string; bytes: number }> {
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
      yield { items: inFrame, body: `[${parts.join(",")}]`, bytes };
      [inFrame, parts, bytes] = [[], [], 2];
    }
    inFrame.push(item);
    parts.push(part);
    bytes += partBytes;
  }
  if (inFrame.length > 0) yield { items: inFrame, body: `[${parts.join(",")}]`, bytes };
}
