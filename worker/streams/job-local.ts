/**
 * All that a job's object keeps, as one port for the services: the stream and its metrics, the lease, the intent, the
 * timers and the version up to which the stream has D1's events. Everything is synchronous.
 */
import type { LogLine, ReportRequest, ReportResponse } from "../../protocol";
import type { JobEvent } from "../domain/job";
import type { JobCommand, JobStatus } from "../domain/job-state";
import { NO_WORK, workAfter, workSaved, type WorkDone } from "../domain/progress";
import type {
  EventsPage,
  JobLocal,
  LocalLease,
  MetricsAnswer,
  MetricsQuery,
  ReportOutcome,
  StreamEventPage,
  StreamRequest,
  TimerName,
} from "../domain/ports";
import type { EventLog } from "./event-log";
import type { IntentRow } from "./intent-row";
import { timestamp, type StreamItem } from "./items";
import { isUpkeep, type StreamKeeper } from "./keeper";
import type { Lanes } from "./lanes";
import type { LeaseRow } from "./lease-row";
import { LOG_BYTES_KEY, type Meta } from "./meta";
import type { MetricStore } from "./metric-store";
import { writeReport } from "./report-writer";
import { parseLastEventId } from "./sse";
import type { Subscribers } from "./subscribers";
import type { Timers } from "./timers";

export interface JobLocalParts {
  storage: DurableObjectStorage;
  log: EventLog;
  metrics: MetricStore;
  lanes: Lanes;
  leases: LeaseRow;
  intents: IntentRow;
  timers: Timers;
  meta: Meta;
  subscribers: Subscribers;
  keeper: StreamKeeper;
  nowMs: () => number;
}

const VERSION_KEY = "job_version";
const PAUSE_KEY = "pause_requested";
const OUTAGE_KEY = "outage";
const WORK_KEY = "work_done";
const SSE_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

export class ObjectJobLocal implements JobLocal {
  readonly #parts: JobLocalParts;
  /** What was appended inside the transaction under way: told to subscribers once it holds. */
  #unsent: StreamItem[] = [];

  constructor(parts: JobLocalParts) {
    this.#parts = parts;
  }

  version(): number {
    return Number(this.#parts.meta.get(VERSION_KEY) ?? "-1");
  }

  lease(): LocalLease | null {
    return this.#parts.leases.current();
  }

  saveLease(lease: LocalLease): void {
    this.#parts.leases.save(lease);
  }

  pauseRequested(): boolean {
    return this.#parts.meta.get(PAUSE_KEY) === "true";
  }

  savePauseRequested(requested: boolean): void {
    this.#parts.meta.set(PAUSE_KEY, String(requested));
  }

  outageMs(epoch: number): number {
    const known = this.#outage();
    return known.epoch === epoch ? known.ms : 0;
  }

  addOutage(epoch: number, ms: number): void {
    this.#parts.meta.set(OUTAGE_KEY, JSON.stringify({ epoch, ms: this.outageMs(epoch) + ms }));
  }

  dropOutage(): void {
    this.#parts.meta.delete(OUTAGE_KEY);
  }

  #outage(): { epoch: number; ms: number } {
    return JSON.parse(this.#parts.meta.get(OUTAGE_KEY) ?? '{"epoch":0,"ms":0}') as { epoch: number; ms: number };
  }

  intent(): { tid: string; atMs: number } | null {
    return this.#parts.intents.get();
  }

  saveIntent(tid: string, command: JobCommand, atMs: number): void {
    this.#parts.intents.put({ tid, command, atMs });
  }

  dropIntent(): void {
    const intent = this.#parts.intents.get();
    if (intent) this.#parts.intents.delete(intent.tid);
  }

  setTimer(name: TimerName, atMs: number): void {
    this.#parts.timers.arm(name, atMs);
  }

  clearTimer(name: TimerName): void {
    this.#parts.timers.clear(name);
  }

  dueTimers(nowMs: number): { name: TimerName; atMs: number }[] {
    const due = this.#parts.timers.due(nowMs).filter((timer) => !isUpkeep(timer.name));
    return due.map((timer) => ({ name: timer.name as TimerName, atMs: timer.atMs }));
  }

  appendEvents(version: number, attempt: number, events: JobEvent[]): void {
    if (events.length > 0) {
      const items = events.map((event) => ({
        timestamp: timestamp(event.atMs),
        event_type: event.type,
        metadata: event.metadata,
      }));
      this.#unsent.push(...this.#parts.log.append({ kind: "event", attempt, tsMs: this.#parts.nowMs(), items }));
      this.#noteSaved(events);
    }
    this.#parts.meta.set(VERSION_KEY, String(version));
  }

  appendEnd(status: JobStatus, nowMs: number): void {
    if (this.#parts.log.endedAt() !== null) return;
    this.#unsent.push(...this.#parts.log.append({ kind: "end", attempt: 0, tsMs: nowMs, items: [{ status }] }));
    this.#parts.keeper.ended();
  }

  appendNotice(attempt: number, message: string, nowMs: number): void {
    const { log } = this.#parts;
    if (log.endedAt() !== null) return;
    const items = [{ timestamp: timestamp(nowMs), message }];
    this.#unsent.push(...log.append({ kind: "notice", attempt, tsMs: nowMs, items }));
  }

  hasListeners(): boolean {
    return this.#parts.subscribers.hasListeners;
  }

  listEvents(page: EventsPage): StreamEventPage {
    return this.#parts.log.listEvents(page);
  }

  queryMetrics(query: MetricsQuery): MetricsAnswer {
    return this.#parts.metrics.query(query);
  }

  subscribe(request: StreamRequest): Response {
    const { log, subscribers } = this.#parts;
    const after = parseLastEventId(request.lastEventId, log.head());
    const endedAt = log.endedAt();
    if (endedAt !== null && after >= endedAt) return new Response(null, { status: 204 });
    return new Response(subscribers.subscribe({ ...request, after }), { headers: SSE_HEADERS });
  }

  applyReport(
    lease: LocalLease,
    request: Extract<ReportRequest, { lane: "data" | "logs" }>,
    answer: ReportResponse,
  ): ReportOutcome {
    return this.transaction(() => {
      const { lanes, keeper, nowMs } = this.#parts;
      const check = lanes.check(lease.epoch, request.lane, request.seq);
      if (check.type !== "new") return check;
      this.#unsent.push(...writeReport(this.#parts, request, lease.attempt, nowMs()));
      keeper.appended();
      if (request.lane === "logs") this.#countLog(request.lines);
      else this.#saveWork(workAfter(this.workDone(), lease.attempt, request.items));
      lanes.store(lease.epoch, request.lane, request.seq, answer);
      return { type: "applied" };
    });
  }

  workDone(): WorkDone {
    const known = this.#parts.meta.get(WORK_KEY);
    // An older release kept less of it.
    return known === null ? NO_WORK : { ...NO_WORK, ...(JSON.parse(known) as Partial<WorkDone>) };
  }

  /** D1's events are appended once each, also after a crash: what they say is saved is counted with them. */
  #noteSaved(events: JobEvent[]): void {
    const commits = events.filter(({ type }) => type === "checkpoint_committed");
    if (commits.length === 0) return;
    const saved = commits.reduce(
      (work, { metadata }) => workSaved(work, metadata["kind"], metadata["step"]),
      this.workDone(),
    );
    this.#saveWork(saved);
  }

  #saveWork(work: WorkDone): void {
    const text = JSON.stringify(work);
    if (this.#parts.meta.get(WORK_KEY) !== text) this.#parts.meta.set(WORK_KEY, text);
  }

  logBytes(): number {
    return Number(this.#parts.meta.get(LOG_BYTES_KEY) ?? 0);
  }

  #countLog(lines: LogLine[]): void {
    const encoder = new TextEncoder();
    const bytes = lines.reduce((sum, { line }) => sum + encoder.encode(line).byteLength, 0);
    this.#parts.meta.set(LOG_BYTES_KEY, String(this.logBytes() + bytes));
  }

  transaction<T>(work: () => T): T {
    try {
      const result = this.#parts.storage.transactionSync(work);
      this.#parts.subscribers.broadcast(this.#unsent);
      return result;
    } finally {
      this.#unsent = [];
    }
  }
}
