/**
 * A stream that has ended moves to R2 some days later, and comes back when somebody asks: until then the object keeps one
 * pointer, its meta row `archive`. First what is left of the frames is sealed, then the other rows are written as files
 * whose keys have their digests, so that a dump that is begun again writes the same files; then, in one transaction, the
 * pointer comes and the rows go. Coming back puts in one file a transaction and counts them in the pointer. A crash
 * anywhere is healed by doing it again. The rows are exact; sealed frames stay where they are, in both directions.
 */
import type { BlobStore } from "../domain/ports";
import { deleteRows, insertLine, linesOf, OBJECT_TABLES, STREAM_TABLES } from "./archive-format";
import { ARCHIVE_KEY, type Meta } from "./meta";
import { migrate } from "./schema";
import type { Sealer } from "./sealer";
import { streamKey } from "./stream-key";

/** A file is closed when it has this many bytes; one is in memory at a time. */
export const FILE_BYTES = 4 * 1024 * 1024;
/** What a file of so many characters may have in UTF-8, and a line more. */
const MAX_FILE_BYTES = 4 * FILE_BYTES;

interface Pointer {
  keys: string[];
  /** How many of the files are back. */
  back: number;
}

export interface ArchiveParts {
  jobId: string;
  storage: DurableObjectStorage;
  blobs: BlobStore;
  meta: Meta;
  sealer: Sealer;
  fileBytes: number;
  hasListeners: () => boolean;
  /** Called in the transaction with which the rows are all back. */
  onBack: () => void;
}

export class Archive {
  readonly #parts: ArchiveParts;
  #users = 0;
  #coming: Promise<void> | null = null;

  constructor(parts: ArchiveParts) {
    this.#parts = parts;
  }

  /** Runs `work` with the object's rows in place: they come back first, and stay until it is over. */
  async using<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      if (this.#pointer() !== null) await this.#comeBack();
      return await work();
    } finally {
      this.#users -= 1;
    }
  }

  /** Moves the rows to R2; false when they are in use or have changed meanwhile. For a stream that has ended. */
  async leave(): Promise<boolean> {
    const { storage, meta, sealer, fileBytes, hasListeners } = this.#parts;
    while (await sealer.sealOldest());
    const keys: string[] = [];
    for (const file of files(linesOf(storage.sql, STREAM_TABLES), fileBytes)) {
      keys.push(await this.#write(keys.length, file));
    }
    const rest = this.#objectRows();
    keys.push(await this.#write(keys.length, rest));
    // From here to the transaction's end nothing may wait.
    if (this.#users > 0 || hasListeners() || this.#objectRows() !== rest) return false;
    storage.transactionSync(() => {
      deleteRows(storage.sql);
      meta.set(ARCHIVE_KEY, JSON.stringify({ keys, back: 0 } satisfies Pointer));
    });
    await storage.deleteAlarm();
    return true;
  }

  #pointer(): Pointer | null {
    const text = this.#parts.meta.get(ARCHIVE_KEY);
    return text === null ? null : (JSON.parse(text) as Pointer);
  }

  #objectRows(): string {
    return [...linesOf(this.#parts.storage.sql, OBJECT_TABLES)].join("");
  }

  async #write(index: number, file: string): Promise<string> {
    const { jobId, blobs } = this.#parts;
    const bytes = new TextEncoder().encode(file);
    const key = await streamKey(jobId, `archive-${String(index).padStart(6, "0")}`, bytes);
    await blobs.putIfAbsent(key, bytes);
    return key;
  }

  /** Once for all who ask at the same time. */
  #comeBack(): Promise<void> {
    this.#coming ??= this.#readFiles().finally(() => (this.#coming = null));
    return this.#coming;
  }

  async #readFiles(): Promise<void> {
    const { storage, blobs, meta, onBack } = this.#parts;
    for (;;) {
      const pointer = this.#pointer();
      if (pointer === null) return;
      const key = pointer.keys[pointer.back];
      if (key === undefined) throw new Error("an archive's pointer counts more files than there are");
      const bytes = await blobs.getBytes(key, MAX_FILE_BYTES);
      if (bytes === null) throw new Error(`${key} is gone: the job's stream cannot come back`);
      const isLast = pointer.back + 1 === pointer.keys.length;
      storage.transactionSync(() => {
        for (const line of new TextDecoder().decode(bytes).split("\n")) if (line !== "") insertLine(storage.sql, line);
        if (!isLast) return meta.set(ARCHIVE_KEY, JSON.stringify({ ...pointer, back: pointer.back + 1 }));
        meta.delete(ARCHIVE_KEY);
        onBack();
      });
      if (isLast) migrate(storage);
    }
  }
}

/** Lines gathered into files. */
function* files(lines: Iterable<string>, fileBytes: number): Generator<string> {
  let file: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    file.push(line);
    bytes += line.length;
    if (bytes < fileBytes) continue;
    yield file.join("");
    [file, bytes] = [[], 0];
  }
  if (file.length > 0) yield file.join("");
}
