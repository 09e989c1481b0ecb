/**
 * Seals the oldest frames of the stream into a segment in R2. The file is written first, under a key that has its digest:
 * after a crash in between the same frames make the same file, which is then there already. Only when it is there do the
 * segment's row come and its frames go, in one transaction: no item is ever in neither place. Frames of events and of the
 * end are in the segment and stay in the object too.
 */
import type { BlobStore } from "../domain/ports";
import type { EventLog } from "./event-log";
import type { FrameRow } from "./frames";
import { blocksToText, encodeSegment } from "./segment-format";
import { streamKey } from "./stream-key";

/** A segment is closed when its bodies have this many bytes; it is held in memory while it is written. */
export const SEGMENT_BYTES = 4 * 1024 * 1024;

export interface SealerParts {
  jobId: string;
  storage: DurableObjectStorage;
  blobs: BlobStore;
  log: EventLog;
  segmentBytes: number;
}

export class Sealer {
  readonly #parts: SealerParts;

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /** Seals one segment; false when no frame is left. Not to be called twice at once. */
  async sealOldest(): Promise<boolean> {
    const { jobId, storage, blobs } = this.#parts;
    const frames = this.#oldest();
    const [first, last] = [frames[0], frames.at(-1)];
    if (first === undefined || last === undefined) return false;
    const lastId = last.id + last.n - 1;
    const { bytes, blocks } = encodeSegment(frames);
    const key = await streamKey(jobId, `${padded(first.id)}-${padded(lastId)}`, bytes);
    // False means that an earlier try has written it: the digest in its name says that it is the same.
    await blobs.putIfAbsent(key, bytes);
    storage.transactionSync(() => {
      storage.sql.exec(
        "INSERT INTO segments (first, last, r2_key, bytes, blocks) VALUES (?, ?, ?, ?, ?)",
        first.id,
        lastId,
        key,
        bytes.byteLength,
        blocksToText(blocks),
      );
      storage.sql.exec(
        "DELETE FROM frames WHERE id BETWEEN ? AND ? AND kind NOT IN ('event', 'end')",
        first.id,
        lastId,
      );
    });
    return true;
  }

  #oldest(): FrameRow[] {
    const { storage, log, segmentBytes } = this.#parts;
    const frames: FrameRow[] = [];
    let bytes = 0;
    const rows = storage.sql.exec<FrameRow>(
      "SELECT id, n, kind, attempt, ts, body FROM frames WHERE id >= ? ORDER BY id",
      log.floor(),
    );
    for (const row of rows) {
      frames.push(row);
      bytes += row.body.length;
      if (bytes >= segmentBytes) break;
    }
    return frames;
  }
}

/** So that a list of keys is in the order of the stream. */
function padded(id: number): string {
  return String(id).padStart(12, "0");
}
