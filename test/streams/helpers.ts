/** What the tests of streams share: an object to work in, a stream with its upkeep, and a clock that is turned by hand. */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { R2BlobStore } from "../../worker/stores/blob-store";
import { Archive } from "../../worker/streams/archive";
import { EventLog } from "../../worker/streams/event-log";
import type { StreamItem } from "../../worker/streams/items";
import { leaveAgain, StreamKeeper } from "../../worker/streams/keeper";
import { Meta } from "../../worker/streams/meta";
import { SealedReader } from "../../worker/streams/sealed-reader";
import { Sealer } from "../../worker/streams/sealer";
import type { Scheduler } from "../../worker/domain/scheduler";
import { Subscribers } from "../../worker/streams/subscribers";
import { Timers } from "../../worker/streams/timers";
import { FaultyBlobs } from "./fixture/faulty-blobs";
import { STATUS_WORDS } from "./fixture/status-words";
import type { StreamFixture } from "./fixture/worker";
import { SseReader } from "./sse-reader";

/** As the object reads its sealed segments, from a real bucket. */
export function sealedReader(storage: DurableObjectStorage): SealedReader {
  return new SealedReader(storage, new R2BlobStore(env.BUCKET));
}

/** A whole stream with its upkeep, as the container builds it but with small files. */
export function streamParts(storage: DurableObjectStorage, limits: { segmentBytes?: number; fileBytes?: number } = {}) {
  const { segmentBytes = 2_000, fileBytes = 2_000 } = limits;
  const jobId = `job${String(++jobs)}`;
  const blobs = new FaultyBlobs(env.BUCKET);
  // Far ahead, so that no alarm rings by itself.
  const clock = { nowMs: Date.UTC(2100, 0) };
  const [log, meta, timers] = [new EventLog(storage), new Meta(storage), new Timers(storage)];
  const scheduler = new ManualScheduler();
  const hub = new Subscribers(log, new SealedReader(storage, blobs), scheduler);
  const sealer = new Sealer({ jobId, storage, blobs, log, segmentBytes });
  const archive = new Archive({
    ...{ jobId, storage, blobs, meta, sealer, fileBytes },
    hasListeners: () => hub.hasListeners,
    onBack: () => leaveAgain(timers, clock.nowMs),
  });
  const keeper = new StreamKeeper({
    ...{ log, timers, sealer, archive, nowMs: () => clock.nowMs },
    maxUnsealedBytes: 5 * segmentBytes,
  });
  const open = (after = 0): SseReader =>
    new SseReader(hub.subscribe({ after, statusWords: STATUS_WORDS, readInstead: ["/elsewhere"] }));
  return { jobId, blobs, clock, log, meta, timers, hub, sealer, archive, keeper, open };
}

export async function keysOf(jobId: string): Promise<string[]> {
  return (await env.BUCKET.list({ prefix: `streams/${jobId}/` })).objects.map((object) => object.key);
}

let jobs = 0;
let objects = 0;

export function freshStub(): DurableObjectStub<StreamFixture> {
  return env.STREAM_FIXTURE.getByName(`object-${String(++objects)}`);
}

/** Runs `work` in a new object, migrated and empty. */
export function inObject<R>(work: (storage: DurableObjectStorage, state: DurableObjectState) => R | Promise<R>) {
  return runInDurableObject(freshStub(), (_instance, state) => work(state.storage, state));
}

export class ManualScheduler implements Scheduler {
  #nowMs = 0;
  #waiting: { atMs: number; work: () => void }[] = [];

  get waiting(): number {
    return this.#waiting.length;
  }

  after(ms: number, work: () => void): () => void {
    const entry = { atMs: this.#nowMs + ms, work };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Moves time on and runs what has come due, in order. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#waiting.filter((entry) => entry.atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs);
    this.#waiting = this.#waiting.filter((entry) => entry.atMs > this.#nowMs);
    for (const entry of due) entry.work();
  }
}

/** Appends log lines and gives back the items. */
export function addLines(log: EventLog, lines: readonly string[]): StreamItem[] {
  const items = lines.map((line) => ({ timestamp: "2026-01-01T00:00:00.000Z", line, stream: "stdout" as const }));
  return log.append({ kind: "log", attempt: 1, tsMs: 0, items });
}

export function addEnd(log: EventLog): StreamItem[] {
  return log.append({ kind: "end", attempt: 1, tsMs: 0, items: [{ status: "timed_out" }] });
}
