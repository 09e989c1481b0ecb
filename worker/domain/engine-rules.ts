/** An engine's rules of its own: when it idles out, what may wake it, and when it has to be up. Pure. */
import { DomainError } from "./errors";
import { serviceAt } from "./engine-schedule";
import type { EngineRecord } from "./engines";

/** Before a request may wake an engine whose last run ended by itself: longer with each such run in a row. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

/** What the engine's object remembers of it. */
export interface EngineMemory {
  /** Somebody has deactivated it within its hours. */
  heldUntilMs: number | null;
  /** Runs in a row that ended by themselves, and when the last of them did. */
  failures: number;
  failedAtMs: number;
}

/** When it ends unless another request comes; null: not by itself. */
export function idleEndMs({ status, management }: EngineRecord, lastActivityMs: number): number | null {
  if (status !== "active" || management.kind !== "inactive_timeout") return null;
  return lastActivityMs + management.seconds * 1000;
}

/** null where there is nothing to wait for. */
export function pauseEndMs({ problem, status }: EngineRecord, memory: EngineMemory): number | null {
  if (status !== "inactive" || problem === null || memory.failures === 0) return null;
  return memory.failedAtMs + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (memory.failures - 1));
}

/** Within its hours an engine is up without being asked. */
export function mustBeUp(engine: EngineRecord, memory: EngineMemory, nowMs: number): boolean {
  const { status, management } = engine;
  if (status !== "inactive" || management.kind !== "schedule" || !serviceAt(management, nowMs).isOn) return false;
  const isHeld = memory.heldUntilMs !== null && memory.heldUntilMs > nowMs;
  return !isHeld && (pauseEndMs(engine, memory) ?? 0) <= nowMs;
}

/** Throws `unavailable` where a request may not wake it now. */
export function mayWake(engine: EngineRecord, memory: EngineMemory, nowMs: number): void {
  const { management } = engine;
  if (management.kind === "schedule") {
    const { isOn, changesAtMs } = serviceAt(management, nowMs);
    const { startTime, endTime, timezone } = management;
    const hours = `it serves from ${startTime} to ${endTime}, ${timezone}, and next at ${new Date(changesAtMs).toISOString()}`;
    if (!isOn) throw notYet(`the model is out of its hours: ${hours}`, changesAtMs - nowMs);
  }
  const pauseMs = (pauseEndMs(engine, memory) ?? 0) - nowMs;
  if (pauseMs > 0) throw notYet(`the model could not be served: ${engine.problem ?? ""}`, pauseMs);
}

function notYet(message: string, afterMs: number): DomainError {
  return new DomainError("unavailable", message, { retryAfterSeconds: Math.ceil(afterMs / 1000) });
}
