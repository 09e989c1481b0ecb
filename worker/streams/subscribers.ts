/**
 * Those who listen to one job, in the memory of its object. Each is first given what the log already has, page by page,
 * and goes live in the moment in which its cursor equals the head, with no `await` between the test and the change: what
 * is appended after that is broadcast to it, what was appended before it has read. Nothing is lost or repeated, whatever
 * the order of appends and broadcasts, since a cursor only moves over items it was sent and a hole sends it back to the
 * log. Loss accepted: a subscriber that cannot keep up, or an object that restarts, ends the connection; the client goes
 * on from its last id.
 */
import { DomainError } from "../domain/errors";
import type { Scheduler } from "../domain/scheduler";
import type { EventLog } from "./event-log";
import type { StreamItem } from "./items";
import type { SealedReader } from "./sealed-reader";
import { KEEP_ALIVE, renderGap, renderItem, type StatusWords } from "./sse";

/** An open stream keeps buffers and a connection; an object has 128 MB, and 500 × 64 KiB leaves it room. */
export const MAX_SUBSCRIBERS = 500;
/** What may wait for one subscriber before it is cut. */
export const MAX_QUEUED_BYTES = 64 * 1024;
/** From here on the same bytes in fewer writes are worth a short delay. */
export const COALESCE_ABOVE = 20;
export const COALESCE_MS = 50;
/** Below the half minute after which proxies close a silent connection. */
export const KEEP_ALIVE_MS = 15_000;
/** Keep-alives for which a subscriber may leave a write unfinished: one minute. Half-open connections never fail. */
const MAX_STALLED_TICKS = 4;
/** A page of a replay: half of the queue, so that rendering, which adds to it, stays below. */
const PAGE = { maxItems: 1000, maxBytes: MAX_QUEUED_BYTES / 2 };
const RETRY_AFTER_SECONDS = 5;

interface Subscriber {
  writer: WritableStreamDefaultWriter<Uint8Array>;
  statusWords: StatusWords;
  /** Paths at which events and metrics can be read when the stream has a gap. */
  readInstead: readonly string[];
  /** Subscribers with equal words share what is encoded. */
  wordsKey: string;
  /** The id of the last item that was written to it. */
  cursor: number;
  live: boolean;
  queuedBytes: number;
  stalledTicks: number;
}

export class Subscribers {
  readonly #log: EventLog;
  readonly #sealed: SealedReader;
  readonly #scheduler: Scheduler;
  readonly #subscribers = new Set<Subscriber>();
  readonly #encoder = new TextEncoder();
  #pending: StreamItem[] = [];
  #flushing = false;
  #stopTicking: (() => void) | null = null;

  constructor(log: EventLog, sealed: SealedReader, scheduler: Scheduler) {
    this.#log = log;
    this.#sealed = sealed;
    this.#scheduler = scheduler;
  }

  get size(): number {
    return this.#subscribers.size;
  }

  get isFull(): boolean {
    return this.#subscribers.size >= MAX_SUBSCRIBERS;
  }

  get hasListeners(): boolean {
    return this.#subscribers.size > 0;
  }

  /** The body of an SSE response: every item after the id `after`, then what comes, until the end item. */
  subscribe(options: {
    after: number;
    statusWords: StatusWords;
    readInstead: readonly string[];
  }): ReadableStream<Uint8Array> {
    if (this.isFull) {
      const message = `the job already has ${String(MAX_SUBSCRIBERS)} open streams`;
      throw new DomainError("rate_limited", message, { retryAfterSeconds: RETRY_AFTER_SECONDS });
    }
    const { readable, writable } = new IdentityTransformStream();
    const subscriber: Subscriber = {
      writer: writable.getWriter(),
      statusWords: options.statusWords,
      readInstead: options.readInstead,
      wordsKey: JSON.stringify(options.statusWords),
      cursor: options.after,
      live: false,
      queuedBytes: 0,
      stalledTicks: 0,
    };
    this.#subscribers.add(subscriber);
    this.#startTicking();
    const gone = (): void => this.#drop(subscriber);
    subscriber.writer.closed.then(gone, gone);
    void this.#replay(subscriber);
    return readable;
  }

  /** Tells items that were just appended to everyone who is live. */
  broadcast(items: readonly StreamItem[]): void {
    if (items.length === 0 || this.#subscribers.size === 0) return;
    if (this.#subscribers.size <= COALESCE_ABOVE && this.#pending.length === 0) {
      this.#send(items);
      return;
    }
    this.#pending = [...this.#pending, ...items];
    if (this.#flushing) return;
    this.#flushing = true;
    this.#scheduler.after(COALESCE_MS, () => {
      const pending = this.#pending;
      [this.#pending, this.#flushing] = [[], false];
      this.#send(pending);
    });
  }

  /** A comment to everyone who is waiting; those whose bytes have not moved for a minute are cut. */
  tick(): void {
    const comment = this.#encoder.encode(KEEP_ALIVE);
    for (const subscriber of this.#subscribers) {
      if (subscriber.queuedBytes === 0) void this.#write(subscriber, comment);
      else if (++subscriber.stalledTicks >= MAX_STALLED_TICKS) this.#cut(subscriber, "the connection has stalled");
    }
  }

  async #replay(subscriber: Subscriber): Promise<void> {
    subscriber.live = false;
    try {
      for (;;) {
        // From here to `live` nothing may wait.
        if (subscriber.cursor >= this.#log.head()) {
          subscriber.live = true;
          if (this.#log.endedAt() !== null) this.#close(subscriber);
          return;
        }
        if (!(await this.#write(subscriber, await this.#nextPage(subscriber)))) return;
        if (!this.#subscribers.has(subscriber)) return;
      }
    } catch (error) {
      console.error("a stream's replay failed", error);
      this.#cut(subscriber, "the replay failed");
    }
  }

  async #nextPage(subscriber: Subscriber): Promise<Uint8Array> {
    const range = { after: subscriber.cursor, ...PAGE };
    const isSealed = subscriber.cursor + 1 < this.#log.floor();
    const page = isSealed ? await this.#sealed.read(range) : { items: this.#log.read(range) };
    if ("gap" in page) {
      subscriber.cursor = page.gap.to;
      return this.#encoder.encode(renderGap(page.gap, subscriber.readInstead));
    }
    const last = page.items.at(-1);
    if (last === undefined)
      throw new Error(`no item after ${String(subscriber.cursor)} although the head is beyond it`);
    subscriber.cursor = last.id;
    return this.#encode(page.items, subscriber.statusWords);
  }

  #send(items: readonly StreamItem[]): void {
    const first = items[0];
    const last = items.at(-1);
    if (first === undefined || last === undefined) return;
    const hasHole = last.id - first.id + 1 !== items.length;
    const encoded = new Map<string, Uint8Array>();
    for (const subscriber of this.#subscribers) {
      if (!subscriber.live || subscriber.cursor >= last.id) continue;
      if (hasHole || first.id > subscriber.cursor + 1) {
        void this.#replay(subscriber);
        continue;
      }
      const skip = subscriber.cursor + 1 - first.id;
      const key = `${String(skip)} ${last.kind === "end" ? subscriber.wordsKey : ""}`;
      const bytes = encoded.get(key) ?? this.#encode(items.slice(skip), subscriber.statusWords);
      encoded.set(key, bytes);
      this.#deliver(subscriber, bytes, last);
    }
  }

  #deliver(subscriber: Subscriber, bytes: Uint8Array, last: StreamItem): void {
    if (subscriber.queuedBytes === 0 && bytes.byteLength > MAX_QUEUED_BYTES) {
      // More at once than may be queued, to one who keeps up: it comes in pages.
      void this.#replay(subscriber);
      return;
    }
    if (subscriber.queuedBytes + bytes.byteLength > MAX_QUEUED_BYTES) {
      this.#cut(subscriber, "the reader is too slow");
      return;
    }
    subscriber.cursor = last.id;
    void this.#write(subscriber, bytes);
    if (last.kind === "end") this.#close(subscriber);
  }

  #encode(items: readonly StreamItem[], statusWords: StatusWords): Uint8Array {
    return this.#encoder.encode(items.map((item) => renderItem(item, statusWords)).join(""));
  }

  /** False when the connection is gone, which only a write can tell: disconnects are not signalled. */
  async #write(subscriber: Subscriber, bytes: Uint8Array): Promise<boolean> {
    subscriber.queuedBytes += bytes.byteLength;
    return subscriber.writer.write(bytes).then(
      () => {
        subscriber.queuedBytes -= bytes.byteLength;
        subscriber.stalledTicks = 0;
        return true;
      },
      () => {
        this.#drop(subscriber);
        return false;
      },
    );
  }

  /** Ends a stream well, after what is queued. */
  #close(subscriber: Subscriber): void {
    const gone = (): void => this.#drop(subscriber);
    subscriber.live = false;
    subscriber.writer.close().then(gone, gone);
  }

  /** Ends a stream at once; the client resumes by id. */
  #cut(subscriber: Subscriber, why: string): void {
    const gone = (): void => this.#drop(subscriber);
    this.#drop(subscriber);
    subscriber.writer.abort(new Error(why)).then(gone, gone);
  }

  #drop(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    this.#stopTicking?.();
    this.#stopTicking = null;
  }

  #startTicking(): void {
    this.#stopTicking ??= this.#scheduler.after(KEEP_ALIVE_MS, () => {
      this.#stopTicking = null;
      this.tick();
      if (this.hasListeners) this.#startTicking();
    });
  }
}
