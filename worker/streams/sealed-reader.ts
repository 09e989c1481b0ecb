/**
 * Reads items back out of sealed segments, block by block. Blocks are fetched one at a time and a few are kept, shared by
 * all who replay: 500 of them cost the memory of a few blocks, and a crowd at the same place costs one fetch.
 */
import type { BlobStore } from "../domain/ports";
import { takeItems, type FrameRow, type ItemRange } from "./frames";
import type { StreamItem } from "./items";
import { blocksFromText, decodeBlock, type Block } from "./segment-format";

/** Ids of which nothing can be read any more: their segment has gone from R2. */
export interface Gap {
  from: number;
  to: number;
}

const MAX_CACHED_BLOCKS = 8;

type SegmentRow = { first: number; last: number; r2_key: string; blocks: string };

export class SealedReader {
  readonly #sql: SqlStorage;
  readonly #blobs: BlobStore;
  /** Oldest use first. */
  readonly #cache = new Map<string, Promise<FrameRow[] | null>>();
  #lastFetch: Promise<unknown> = Promise.resolve();

  constructor(storage: DurableObjectStorage, blobs: BlobStore) {
    this.#sql = storage.sql;
    this.#blobs = blobs;
  }

  /** Items after an id below the floor, of one block at most; or the gap that begins there. Throws while R2 is away. */
  async read(range: ItemRange): Promise<{ items: StreamItem[] } | { gap: Gap }> {
    const id = range.after + 1;
    const segment = this.#segmentOf(id);
    const block = blocksFromText(segment.blocks).findLast(({ first }) => first <= id);
    const frames = block ? await this.#frames(segment.r2_key, block) : null;
    return frames ? { items: takeItems(frames, range) } : { gap: { from: id, to: segment.last } };
  }

  #segmentOf(id: number): SegmentRow {
    const row = this.#sql
      .exec<SegmentRow>(
        "SELECT first, last, r2_key, blocks FROM segments WHERE first <= ? ORDER BY first DESC LIMIT 1",
        id,
      )
      .toArray()[0];
    if (row === undefined || row.last < id) throw new Error(`no segment has the item ${String(id)}`);
    return row;
  }

  #frames(key: string, block: Block): Promise<FrameRow[] | null> {
    const name = `${key} ${String(block.offset)}`;
    const frames = this.#cache.get(name) ?? this.#inTurn(() => this.#fetch(key, block));
    this.#cache.delete(name);
    this.#cache.set(name, frames);
    frames.catch(() => this.#cache.delete(name));
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= MAX_CACHED_BLOCKS) break;
      this.#cache.delete(oldest);
    }
    return frames;
  }

  #inTurn<T>(fetch: () => Promise<T>): Promise<T> {
    const turn = this.#lastFetch.then(fetch, fetch);
    this.#lastFetch = turn.catch(() => undefined);
    return turn;
  }

  async #fetch(key: string, block: Block): Promise<FrameRow[] | null> {
    const stream = await this.#blobs.read(key, block.offset, block.bytes);
    if (stream === null) return null;
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    if (bytes.byteLength !== block.bytes) throw new Error(`${key} is shorter than its segment's row says`);
    return decodeBlock(bytes);
  }
}
