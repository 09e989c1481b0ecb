/**
 * What an engine's object keeps in its SQLite beside the relay's log: its timers and a few facts. Loss accepted: none; an
 * object that has lost them begins again from D1, and lets its engine idle a little longer.
 */
import type { EngineFact, EngineLocal, EngineTimer } from "../domain/engine-object-ports";
import { Meta } from "./meta";
import { Timers } from "./timers";

const ENGINE_ID_KEY = "engine_id";
/** Between two tries of what is due, while D1 is away. */
const ALARM_PAUSE_MS = 1_000;

export class ObjectEngineLocal implements EngineLocal {
  readonly #storage: DurableObjectStorage;
  readonly #meta: Meta;
  readonly #timers: Timers;
  #isErased = false;

  constructor(storage: DurableObjectStorage) {
    storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS timers (name TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
    `);
    this.#storage = storage;
    this.#meta = new Meta(storage);
    this.#timers = new Timers(storage);
  }

  /** The engine that this object is of: neither an alarm nor a socket says it. null before the first call. */
  engineId(): string | null {
    return this.#meta.get(ENGINE_ID_KEY);
  }

  setEngineId(id: string): void {
    if (this.engineId() !== id) this.#meta.set(ENGINE_ID_KEY, id);
  }

  fact(name: EngineFact): number | null {
    const value = this.#isErased ? null : this.#meta.get(name);
    return value === null ? null : Number(value);
  }

  setFact(name: EngineFact, value: number | null): void {
    if (this.#isErased) return;
    if (value === null) this.#meta.delete(name);
    else this.#meta.set(name, String(value));
  }

  setTimer(name: EngineTimer, atMs: number): void {
    if (!this.#isErased) this.#timers.arm(name, atMs);
  }

  clearTimer(name: EngineTimer): void {
    if (!this.#isErased) this.#timers.clear(name);
  }

  dueTimers(nowMs: number): EngineTimer[] {
    return this.#isErased ? [] : this.#timers.due(nowMs).map(({ name }) => name as EngineTimer);
  }

  /** For the end of the alarm's handler: what it has moved is armed, and what it could not do is tried again. */
  async rearm(nowMs: number): Promise<void> {
    const next = this.#timers.next();
    if (next !== null) await this.#storage.setAlarm(Math.max(next, nowMs + ALARM_PAUSE_MS));
  }

  /** Whoever still waits for a turn finds nothing, and leaves nothing. */
  async erase(): Promise<void> {
    this.#isErased = true;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }
}
