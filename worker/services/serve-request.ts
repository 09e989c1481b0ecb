/**
 * A request in its engine's object: it waits for an engine that has to come up, goes to an agent, and is logged when it has
 * ended, whatever came of it.
 */
import { DomainError } from "../domain/errors";
import type { InferenceLogEntry, RelayCall, RelayOutcome } from "../domain/inference";
import type { Clock, EngineDoor, EngineRelay, Later } from "../domain/ports";
import type { CallOutcome } from "./record-call";

export interface ServeRequestPorts {
  door: Pick<EngineDoor, "wake" | "settled" | "onActivity">;
  relay: EngineRelay;
  log: { add(entry: InferenceLogEntry): void };
  /** Keeps a call that is to be stored. */
  record: (call: RelayCall, outcome: CallOutcome) => Promise<void>;
  clock: Clock;
  later: Later;
  wakeWaitMs: number;
}

/** Of bodies that wait for a model: an object has 128 MB. */
export const MAX_HELD_BYTES = 48 * 1024 * 1024;
/** A client that asks again so much later finds an engine that takes long to come up. */
const COMING_UP_SECONDS = 10;

export class ServeRequests {
  readonly #ports: ServeRequestPorts;
  #heldBytes = 0;

  constructor(ports: ServeRequestPorts) {
    this.#ports = ports;
  }

  /** The answer, or a DomainError before its first byte. */
  async serve(call: RelayCall): Promise<Response> {
    const startedAtMs = this.#ports.clock.nowMs();
    const bytes = call.body.byteLength;
    if (this.#heldBytes + bytes > MAX_HELD_BYTES) {
      throw new DomainError("rate_limited", "too many requests wait for this model", { retryAfterSeconds: 1 });
    }
    this.#heldBytes += bytes;
    try {
      await this.#untilReady(call);
      const { response, ended } = await this.#ports.relay.open(call);
      this.#ports.later(ended.then((outcome) => this.#end(call, startedAtMs, outcome)));
      return response;
    } catch (error) {
      const status = error instanceof DomainError ? error.status : 500;
      const told = error instanceof DomainError ? error.message : "an error of our own";
      this.#ports.later(this.#end(call, startedAtMs, { done: null, status, error: told, firstByteAtMs: null }));
      throw error;
    } finally {
      this.#heldBytes -= bytes;
    }
  }

  /** Throws when it does not come up in time, or cannot. */
  async #untilReady({ open, served }: RelayCall): Promise<void> {
    const { door, relay, wakeWaitMs } = this.#ports;
    const id = open.deployment_id;
    if (relay.isReady(id)) return;
    door.onActivity();
    const { state, error } = served.deployment;
    refuseFailed(state === "failed" ? error : null);
    await door.wake("request");
    if (await relay.whenReady(id, wakeWaitMs)) return;
    refuseFailed(relay.loadFailure(id));
    const { problem } = await door.settled();
    const message = problem ?? "the model is coming up, and does not answer yet";
    throw new DomainError("unavailable", message, { retryAfterSeconds: COMING_UP_SECONDS });
  }

  async #end(call: RelayCall, startedAtMs: number, outcome: RelayOutcome): Promise<void> {
    const { log, clock, record } = this.#ports;
    const { open } = call;
    const { done, status, error, firstByteAtMs } = outcome;
    const endedAtMs = clock.nowMs();
    log.add({
      id: open.answer.id,
      deploymentId: open.deployment_id,
      endpoint: open.endpoint,
      stream: open.stream,
      status,
      error,
      usage: done?.usage ?? null,
      firstByteMs: firstByteAtMs === null ? null : firstByteAtMs - startedAtMs,
      durationMs: endedAtMs - startedAtMs,
      atMs: startedAtMs,
    });
    if (call.store !== null) await record(call, { done, error, startedAtMs, endedAtMs });
  }
}

function refuseFailed(failure: string | null): void {
  if (failure !== null) throw new DomainError("unavailable", `the model could not be loaded: ${failure}`);
}
