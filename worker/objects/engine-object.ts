/**
 * The Durable Object of one engine: a thin shell over its door, which is the only one to its transitions, and the relay,
 * which holds the agents' sockets. They hibernate: what a socket brings may find an object that is built anew.
 */
import { DurableObject } from "cloudflare:workers";
import { engineObjectParts, type EngineObjectParts } from "../container";
import { answering, loggable, STATUS_OF, type Answer } from "../domain/errors";
import type { EngineRecord } from "../domain/engines";
import type { InferenceLogEntry, InferenceMetrics, RelayCall } from "../domain/inference";
import type { EngineChange, Page, PageRequest } from "../domain/ports";
import type { Env } from "../env";
import { ObjectEngineLocal } from "../streams/engine-local";
import type { EngineObjectRpc } from "./rpc";

export class EngineObject extends DurableObject<Env> implements EngineObjectRpc {
  #parts: EngineObjectParts | null = null;

  #of(engineId: string): EngineObjectParts {
    this.#parts ??= engineObjectParts(this.ctx, this.env, engineId);
    return this.#parts;
  }

  /** For an alarm and for what a socket brings; null when the object has been emptied. */
  #known(): EngineObjectParts | null {
    if (this.#parts) return this.#parts;
    const engineId = new ObjectEngineLocal(this.ctx.storage).engineId();
    return engineId === null ? null : this.#of(engineId);
  }

  wake(engineId: string): Promise<Answer<EngineRecord>> {
    return answering(() => this.#of(engineId).door.wake("asked"));
  }

  deactivate(engineId: string): Promise<Answer<EngineRecord>> {
    return answering(() => this.#of(engineId).door.deactivate("asked"));
  }

  reactivate(engineId: string): Promise<Answer<EngineRecord>> {
    return answering(() => this.#of(engineId).door.reactivate());
  }

  deploymentsChanged(engineId: string, wakes: boolean): Promise<Answer<void>> {
    return answering(() => this.#of(engineId).door.deploymentsChanged(wakes));
  }

  configure(engineId: string, change: Pick<EngineChange, "management" | "replicas">): Promise<Answer<EngineRecord>> {
    return answering(() => this.#of(engineId).door.configure(change));
  }

  remove(engineId: string, erases: boolean): Promise<Answer<void>> {
    return answering(async () => {
      await this.#of(engineId).door.remove(erases);
      if (erases) this.#parts = null;
    });
  }

  tick(engineId: string): Promise<Answer<void>> {
    return answering(async () => {
      if (!(await this.#of(engineId).door.look())) this.#parts = null;
    });
  }

  serve(engineId: string, call: RelayCall): Promise<Answer<Response>> {
    return answering(() => this.#of(engineId).requests.serve(call));
  }

  requests(engineId: string, deploymentId: string, page: PageRequest): Promise<Answer<Page<InferenceLogEntry>>> {
    return answering(() => Promise.resolve(this.#of(engineId).log.page(deploymentId, page)));
  }

  metrics(engineId: string, deploymentIds: string[]): Promise<Answer<Record<string, InferenceMetrics>>> {
    return answering(() => Promise.resolve(this.#of(engineId).metrics(deploymentIds)));
  }

  /** An agent's socket; the worker has looked at its lease. */
  override async fetch(request: Request): Promise<Response> {
    const query = new URL(request.url).searchParams;
    const [agentId, taskId] = [query.get("agent") ?? "", query.get("task") ?? ""];
    const { relay } = this.#of(query.get("engine") ?? "");
    const agent = { agentId, taskId, epoch: Number(query.get("epoch")) };
    const accepted = await answering(() => Promise.resolve(relay.accept(agent)));
    if (accepted.ok) return accepted.value;
    return new Response(accepted.error.message, { status: STATUS_OF[accepted.error.code] });
  }

  override webSocketMessage(socket: WebSocket, message: ArrayBuffer | string): void {
    this.#known()?.relay.onMessage(socket, message);
  }

  override webSocketClose(socket: WebSocket): void {
    this.#known()?.relay.onClose(socket);
  }

  override webSocketError(socket: WebSocket): void {
    this.#known()?.relay.onClose(socket);
  }

  override async alarm(): Promise<void> {
    const parts = this.#known();
    if (!parts) return;
    try {
      if (!(await parts.door.onAlarm())) {
        this.#parts = null;
        return;
      }
    } catch (error) {
      console.error("an engine's alarm failed; it rings again", loggable(error));
    }
    await parts.local.rearm(Date.now());
  }
}
