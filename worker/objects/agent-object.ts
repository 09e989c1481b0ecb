/**
 * The Durable Object of one agent: its control socket, its long polls, whether it was revoked, and whether D1's idle table
 * lists it. Accepted: all pushes are hints. A socket that is gone is noticed at the next push, and the agent's own polls
 * and heartbeats learn the same things later.
 */
import { DurableObject } from "cloudflare:workers";
import type { SocketMessage } from "../../protocol";
import { agentObjectParts } from "../container";
import type { SlotOffer } from "../domain/agents";
import type { Env } from "../env";
import type { AgentObjectRpc } from "./rpc";

const REVOKED_KEY = "revoked";
const IDLE_KEY = "idle";
/** An agent polls again within this time; an older wake has been swept up by then. */
const MISSED_WAKE_MS = 30_000;

export class AgentObject extends DurableObject<Env> implements AgentObjectRpc {
  /** Polls that wait for work; each takes the task it is woken for, or null when its time is over. */
  readonly #polls = new Set<(taskId: string) => void>();
  /** A wake that came just before the poll that it was meant for. */
  #missed: { taskId: string; atMs: number } | null = null;

  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("expected a WebSocket", { status: 426 });
    }
    if (await this.isRevoked()) return new Response("this agent was revoked", { status: 401 });
    const { 0: client, 1: server } = new WebSocketPair();
    for (const old of this.ctx.getWebSockets()) old.close(1000, "replaced by a newer connection");
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  /** False when nobody listens, neither a poll nor a socket; then D1 lists the agent as idle no more. */
  async wake(agentId: string, taskId: string): Promise<boolean> {
    const [poll] = this.#polls;
    if (poll) {
      this.#polls.delete(poll);
      poll(taskId);
      return true;
    }
    const heard = this.#push({ type: "wake", task_id: taskId });
    if (heard) return true;
    this.#missed = { taskId, atMs: Date.now() };
    await this.setIdle(agentId, null, []);
    return false;
  }

  hurry(leaseId: string): void {
    this.#push({ type: "cancel", lease_id: leaseId });
  }

  /** The task that the agent was woken for, or null after `waitMs`. */
  awaitWake(waitMs: number): Promise<string | null> {
    const missed = this.#missed;
    this.#missed = null;
    if (missed && Date.now() - missed.atMs < MISSED_WAKE_MS) return Promise.resolve(missed.taskId);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#polls.delete(woken);
        resolve(null);
      }, waitMs);
      const woken = (taskId: string): void => {
        clearTimeout(timer);
        resolve(taskId);
      };
      this.#polls.add(woken);
    });
  }

  async revoke(): Promise<void> {
    await this.ctx.storage.put(REVOKED_KEY, true);
    for (const socket of this.ctx.getWebSockets()) socket.close(1008, "this agent was revoked");
  }

  async isRevoked(): Promise<boolean> {
    return (await this.ctx.storage.get<boolean>(REVOKED_KEY)) ?? false;
  }

  /** D1's small table of idle agents is written only when what it says would change. */
  async setIdle(agentId: string, accountId: string | null, offers: SlotOffer[]): Promise<void> {
    const idle = offers
      .map(({ slot, serveBytes }) => (serveBytes === null ? slot.id : `${slot.id} ${String(serveBytes)}`))
      .sort()
      .join(",");
    const before = (await this.ctx.storage.get<string>(IDLE_KEY)) ?? "";
    if (idle === before) return;
    const { agents, clock } = agentObjectParts(this.env);
    await agents.setIdle(agentId, accountId, offers, clock.nowMs());
    await this.ctx.storage.put(IDLE_KEY, idle);
  }

  override webSocketMessage(): void {
    // Agents only listen here; pings are answered without waking the object.
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  #push(message: SocketMessage): boolean {
    const sockets = this.ctx.getWebSockets().filter((socket) => socket.readyState === WebSocket.OPEN);
    for (const socket of sockets) socket.send(JSON.stringify(message));
    return sockets.length > 0;
  }
}
