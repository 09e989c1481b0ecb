/** What lives in an engine's object: the door of its transitions, and the relay between requests and agents. */
import type { EngineStatus as EngineNews } from "../../protocol";
import type { ServingAgent } from "./engine-ports";
import type { EngineRecord } from "./engines";
import type { RelayCall, RelayOutcome } from "./inference";

/** An agent whose socket is open. */
export interface ConnectedAgent extends ServingAgent {
  openStreams: number;
}

/** An answer that has begun: what the client gets, and what came of it, which never rejects. */
export interface RelayAnswer {
  response: Response;
  ended: Promise<RelayOutcome>;
}

/** The sockets of the agents, and the streams of requests on them (design/relay.md). Survives hibernation. */
export interface EngineRelay {
  /** The agent's socket; an older one of the same task is closed, a stale epoch is refused. */
  accept(agent: ServingAgent): Response;
  onMessage(socket: WebSocket, message: ArrayBuffer | string): void;
  onClose(socket: WebSocket): void;
  agents(): ConnectedAgent[];
  /** Whether some agent has it loaded. */
  isReady(deploymentId: string): boolean;
  /** Why an agent could not load it, where none has it ready. */
  loadFailure(deploymentId: string): string | null;
  /**
   * Resolves when `isReady` has become true; with false after `waitMs`, when an agent could not load it, and when `drop`
   * has closed all sockets, or `retire` those without streams.
   */
  whenReady(deploymentId: string, waitMs: number): Promise<boolean>;
  /** To the least busy agent that has the deployment; to another while no byte of an answer has come. Throws DomainErrors. */
  open(call: RelayCall): Promise<RelayAnswer>;
  /** Of one deployment, or of all. */
  openStreams(deploymentId?: string): number;
  /** To all agents, or to those of one task. */
  tell(news: EngineNews, taskId?: string): void;
  /** No agent is asked any more, and nobody waits; what is under way ends as it may, and each socket with the last of it. */
  retire(why: string): void;
  /** Closes sockets: all, or those of one task. Each open stream on them gets its error at once. */
  drop(why: string, taskId?: string): void;
}

/** What the relay tells the door. None of these waits. */
export interface RelayEvents {
  onReady(agent: ServingAgent, deploymentId: string, labels: string[] | null): void;
  onFailed(agent: ServingAgent, deploymentId: string, message: string): void;
  /** The agent's model server runs (its `serving` status). */
  onServing(agent: ServingAgent): void;
  onGone(agent: ServingAgent): void;
  /** A request began or ended: what `inactive_timeout` counts from. */
  onActivity(): void;
}

/** The only caller of an engine's transitions; one at a time. */
export interface EngineDoor extends RelayEvents {
  /** The engine as D1 has it, healed where a crash or a lost alarm has left something. */
  settled(): Promise<EngineRecord>;
  wake(reason: "request" | "asked" | "schedule"): Promise<EngineRecord>;
  deactivate(reason: "asked" | "idle" | "schedule"): Promise<EngineRecord>;
  /** False: the engine is gone, and the object keeps nothing. */
  onAlarm(): Promise<boolean>;
}

/**
 * What an engine's object remembers besides D1. Points in time, but for the count of failures.
 * `last_activity`: when a request last began or ended, or a model came up. `held_until`: somebody has deactivated it within
 * its hours, and it stays down till then. `failures`: runs in a row that ended by themselves; `failed_at`: the last of them.
 */
export type EngineFact = "last_activity" | "held_until" | "failures" | "failed_at";

/** `check`: something is under way that a crash could leave half done. `retry`: a failed run of an engine in its hours. */
export const ENGINE_TIMERS = ["check", "idle", "schedule", "retry"] as const;
export type EngineTimer = (typeof ENGINE_TIMERS)[number];

/** An engine's object's own memory. All sync, but for its end. */
export interface EngineLocal {
  fact(name: EngineFact): number | null;
  setFact(name: EngineFact, value: number | null): void;
  /** Arms the object's alarm for the earliest of its timers. */
  setTimer(name: EngineTimer, atMs: number): void;
  clearTimer(name: EngineTimer): void;
  dueTimers(nowMs: number): EngineTimer[];
  /** Nothing is kept, the relay's log included; what is left is of no use any more. */
  erase(): Promise<void>;
}
