/**
 * The relay of one engine (design/relay.md): the sockets of its agents, and the streams of requests on them. Sockets
 * hibernate; streams are in memory, as the answers are that they belong to. A life of the object that ends takes its
 * streams with it: their clients are told by the worker in front of it (services/infer.ts), their agents by a reset at
 * their next frame.
 */
import { z } from "zod";
import { decodeFrames, type EngineStatus, FrameError, jsonOf, servingStatus, type ServingStatus } from "../../protocol";
import { DomainError } from "../domain/errors";
import type { RelayCall } from "../domain/inference";
import type { Clock, ConnectedAgent, EngineRelay, RelayAnswer, RelayEvents, ServingAgent } from "../domain/ports";
import type { Scheduler } from "../domain/scheduler";
import { AgentConnection, attachmentOf } from "./agent-connection";
import { ConnectionRows } from "./connection-rows";
import { nobodyReady, tooManyStreams } from "./failure";
import { ReadyWaiters } from "./ready-waiters";
import { type RelayLimits, RelayStream } from "./relay-stream";

/** Each may hold its credit, and an object has 128 MB. */
export const MAX_OPEN_STREAMS = 1000;
/** Of one request: one that ends agents is not to end all of them. */
const MAX_TRIES = 3;
const TICK_MS = 1000;
const NORMAL_CLOSURE = 1000;
const PROTOCOL_ERROR = 1002;

export interface RelayParts {
  state: DurableObjectState;
  clock: Clock;
  scheduler: Scheduler;
  limits: RelayLimits;
  /** Whom it tells: the door, which needs the relay itself. */
  events: () => RelayEvents;
}

export class RelayHub implements EngineRelay {
  readonly #parts: RelayParts;
  readonly #rows: ConnectionRows;
  readonly #connections = new Map<string, AgentConnection>();
  readonly #waiters: ReadyWaiters;
  readonly #failures = new Map<string, string>();
  /** Those whose clients have not all of it yet. */
  readonly #unfinished = new Set<RelayStream>();
  #numbers = { next: 0, end: 0 };
  #asked = 0;
  #isTicking = false;

  /** Finds the sockets that have outlived an earlier life of the object. */
  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#rows = new ConnectionRows(parts.state.storage);
    this.#waiters = new ReadyWaiters(parts.scheduler);
    for (const socket of parts.state.getWebSockets()) {
      if (socket.readyState === WebSocket.OPEN) this.#add(socket);
    }
    this.#rows.keepOnly([...this.#connections.keys()]);
  }

  accept(agent: ServingAgent): Response {
    for (const old of this.#connections.values()) {
      if (old.agent.taskId !== agent.taskId) continue;
      if (old.agent.epoch > agent.epoch) throw new DomainError("stale_lease", "another lease serves this task");
      this.#drop(old, NORMAL_CLOSURE, "replaced by a newer connection");
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.#parts.state.acceptWebSocket(server);
    server.serializeAttachment({ id: crypto.randomUUID(), ...agent });
    this.#add(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  onMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    const connection = this.#connections.get(attachmentOf(socket).id);
    // What comes on a socket that was closed is nobody's any more.
    if (connection === undefined) return;
    try {
      if (typeof message === "string") throw new FrameError("a text is no frame");
      for (const frame of decodeFrames(new Uint8Array(message))) {
        if (frame.type === "status") this.#onStatus(connection, servingStatus.parse(jsonOf(frame)));
        else connection.onStreamFrame(frame);
      }
    } catch (error) {
      if (!(error instanceof FrameError) && !(error instanceof z.ZodError)) throw error;
      console.warn("an agent's message is not to be understood", connection.agent.agentId, error.message);
      this.#drop(connection, PROTOCOL_ERROR, "a message is not to be understood");
    }
  }

  onClose(socket: WebSocket): void {
    const connection = this.#connections.get(attachmentOf(socket).id);
    if (connection !== undefined) this.#drop(connection, NORMAL_CLOSURE, "");
  }

  agents(): ConnectedAgent[] {
    return [...this.#connections.values()]
      .filter(({ retired }) => retired === null)
      .map(({ agent, streams }) => ({ ...agent, openStreams: streams.size }));
  }

  isReady(deploymentId: string): boolean {
    return this.#leastBusy(deploymentId, new Set()) !== undefined;
  }

  loadFailure(deploymentId: string): string | null {
    return this.isReady(deploymentId) ? null : (this.#failures.get(deploymentId) ?? null);
  }

  async whenReady(deploymentId: string, waitMs: number): Promise<boolean> {
    return this.isReady(deploymentId) || this.#waiters.wait(deploymentId, waitMs);
  }

  async open(call: RelayCall): Promise<RelayAnswer> {
    const tried = new Set<string>();
    let refused = nobodyReady();
    while (tried.size < MAX_TRIES) {
      const connection = this.#leastBusy(call.open.deployment_id, tried);
      if (connection === undefined) break;
      if (this.openStreams() >= MAX_OPEN_STREAMS) throw tooManyStreams();
      tried.add(connection.id);
      const stream = this.#openOn(connection, call);
      const beginning = await stream.beginning;
      if ("response" in beginning) return { response: beginning.response, ended: stream.ended };
      refused = beginning.failure.error;
      if (!beginning.failure.elsewhere) break;
    }
    throw refused;
  }

  openStreams(deploymentId?: string): number {
    const streams = [...this.#connections.values()].flatMap((connection) => [...connection.streams.values()]);
    return streams.filter((stream) => deploymentId === undefined || stream.deploymentId === deploymentId).length;
  }

  tell(news: EngineStatus, taskId?: string): void {
    for (const connection of this.#connections.values()) {
      if (taskId === undefined || connection.agent.taskId === taskId) connection.tell(news);
    }
  }

  retire(why: string): void {
    for (const connection of [...this.#connections.values()]) {
      connection.retired ??= why;
      connection.ready.clear();
      this.#rows.forget(connection.id);
      this.#dropIfDone(connection);
    }
    this.#failures.clear();
    this.#waiters.tellAll(false);
  }

  drop(why: string, taskId?: string): void {
    for (const connection of [...this.#connections.values()]) {
      if (taskId === undefined || connection.agent.taskId === taskId) this.#drop(connection, NORMAL_CLOSURE, why);
    }
    if (taskId !== undefined) return;
    this.#failures.clear();
    this.#waiters.tellAll(false);
  }

  /** Once a second while there are streams: time limits, and comments for those who wait. */
  tick(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const stream of [...this.#unfinished]) stream.tick(nowMs);
  }

  #onStatus(connection: AgentConnection, status: ServingStatus): void {
    const { agent } = connection;
    if (connection.retired !== null) return;
    const events = this.#parts.events();
    if (status.type === "serving") return events.onServing(agent);
    const isReady = status.state === "ready";
    this.#rows.setReady(connection.id, status.id, isReady);
    if (status.state !== "failed") this.#failures.delete(status.id);
    if (isReady) {
      connection.ready.add(status.id);
      this.#waiters.tell(status.id, true);
      events.onReady(agent, status.id, status.labels ?? null);
      return;
    }
    connection.ready.delete(status.id);
    if (status.state !== "failed") return;
    const message = status.message ?? "the model could not be loaded";
    this.#failures.set(status.id, message);
    if (!this.isReady(status.id)) this.#waiters.tell(status.id, false);
    events.onFailed(agent, status.id, message);
  }

  #leastBusy(deploymentId: string, tried: Set<string>): AgentConnection | undefined {
    return [...this.#connections.values()]
      .filter(({ id, ready }) => ready.has(deploymentId) && !tried.has(id))
      .sort((a, b) => a.streams.size - b.streams.size || a.askedAt - b.askedAt)[0];
  }

  #openOn(connection: AgentConnection, call: RelayCall): RelayStream {
    const id = this.#nextNumber();
    connection.askedAt = ++this.#asked;
    const stream = new RelayStream({
      ...{ id, call, limits: this.#parts.limits },
      nowMs: () => this.#parts.clock.nowMs(),
      send: (...frames) => connection.send(...frames),
      onOver: () => {
        connection.streams.delete(id);
        this.#dropIfDone(connection);
      },
    });
    connection.streams.set(id, stream);
    this.#unfinished.add(stream);
    this.#parts.events().onActivity();
    void stream.ended.then(() => {
      this.#unfinished.delete(stream);
      this.#parts.events().onActivity();
    });
    this.#tickLater();
    return stream;
  }

  #nextNumber(): number {
    if (this.#numbers.next >= this.#numbers.end) {
      const { first, end } = this.#rows.reserve();
      this.#numbers = { next: first, end };
    }
    return this.#numbers.next++;
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#parts.scheduler.after(TICK_MS, () => {
      this.#isTicking = false;
      this.tick();
      if (this.#unfinished.size > 0) this.#tickLater();
    });
  }

  #add(socket: WebSocket): void {
    const attachment = attachmentOf(socket);
    const { clock, scheduler } = this.#parts;
    const ready = this.#rows.readyOf(attachment.id);
    this.#connections.set(attachment.id, new AgentConnection({ socket, attachment, ready, clock, scheduler }));
  }

  #dropIfDone(connection: AgentConnection): void {
    const { retired, streams } = connection;
    if (retired === null || streams.size > 0 || !this.#connections.has(connection.id)) return;
    this.#drop(connection, NORMAL_CLOSURE, retired);
  }

  #drop(connection: AgentConnection, code: number, why: string): void {
    this.#connections.delete(connection.id);
    this.#rows.forget(connection.id);
    connection.close(code, why);
    connection.lose();
    this.#parts.events().onGone(connection.agent);
  }
}
