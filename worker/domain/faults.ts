/**
 * The points at which a crash could leave something half done: each row of the crash table in docs/architecture.md, by
 * name. Tests arm them, by the last parameter of `services` and `jobObjectParts` in container.ts, to crash or to fail
 * there; nothing else can, since no binding, setting or request reaches that parameter.
 */
export const FAULT_POINTS = [
  /** D1 has a new job; nobody was told: no tick, no message. */
  "created",
  /** The object has stored its intent; D1 was not asked yet. */
  "intent_stored",
  /** D1 has committed a transition, or so it may be; the object does not know. */
  "committed",
  /** The object has appended the transition; no wake, no push, no message was sent. */
  "appended",
  /** A claim is granted; the agent has no answer. */
  "claim_committed",
  /** A queue's message was taken; its job was not ticked. */
  "message_taken",
  /** The object's alarm rings; nothing that is due is done. */
  "alarm_rung",
  /** A report has come in; nothing was done with it. */
  "report_received",
  /** A report is in the stream; the agent has no answer. */
  "report_applied",
  /** All parts of a checkpoint are in R2; none of its uploads is completed. */
  "parts_uploaded",
  /** Its files are objects in R2; it has no manifest. */
  "parts_completed",
  /** Its manifest is there; D1 has no row. */
  "manifest_stored",
  /** The last word of a lease is committed; the object still takes writes and the agent has no answer. */
  "finish_committed",
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** And those of engines (services/engine-door.ts). */
export const ENGINE_FAULT_POINTS = [
  /** D1 has an engine's new status; its serve tasks and its sockets are as they were. */
  "engine_changed",
  /** An engine's serve tasks are in D1; its row does not name them. */
  "serve_tasks_made",
] as const;
export type EngineFaultPoint = (typeof ENGINE_FAULT_POINTS)[number];

export interface Faults {
  /** Called wherever a crash would matter. A test's may throw, wait, or end the object. */
  at(point: FaultPoint | EngineFaultPoint): void | Promise<void>;
}

/** What runs in production: nothing. */
export const NO_FAULTS: Faults = { at: () => undefined };
