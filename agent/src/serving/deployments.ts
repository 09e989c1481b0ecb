/**
 * What the engine has and what is loaded here: asked for when the socket opens and whenever it is told that something
 * has changed, then fetched, loaded, unloaded, one after the other. Every change of a deployment's state is told.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { LoadModel, ServedDeployment, ServedDeployments, ServingStatus } from "../../../protocol";
import type { Clock } from "../clock";
import { describeError, type Log } from "../log";
import { untilAborted } from "../until-aborted";
import { Waker } from "../waker";
import { ModelRefused, type ModelServer } from "./model-server";

export interface DeploymentsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseId: string;
  /** Where their files go, a folder for each. */
  readonly folder: string;
  readonly list: (signal: AbortSignal) => Promise<ServedDeployments>;
  readonly fetch: (source: ServedDeployment, folder: string, signal: AbortSignal) => Promise<LoadModel>;
  readonly tell: (status: ServingStatus) => void;
}

interface Held {
  source: ServedDeployment;
  readonly folder: string;
  state: "loading" | "ready" | "failed";
  message?: string;
  labels?: string[];
  model: LoadModel | null;
  /** How often in a row the model server ended while it loaded this. */
  deaths: number;
  failedAtMs: number;
}

/** A model that ends the server whenever it is loaded must not end it for ever. */
const MAX_DEATHS = 3;
/** A failed one that is still listed is tried again, but not at the very news of its failure. */
const RETRY_AFTER_MS = 5_000;
const MAX_LABELS_BYTES = 32 * 1024;
/** The protocol's bound. */
const MAX_MESSAGE_CHARACTERS = 2_000;

export class Deployments {
  private readonly held = new Map<string, Held>();
  private readonly work = new Waker();
  private server: ModelServer | null = null;
  private isStale = true;
  private isWithdrawn = false;
  private count = 0;

  constructor(private readonly deps: DeploymentsDeps) {}

  /** The server that has it loaded. */
  serverOf(id: string): ModelServer | null {
    return this.held.get(id)?.state === "ready" ? this.server : null;
  }

  /** A new server, in which nothing is loaded; null: there is none at the moment. */
  use(server: ModelServer | null): void {
    this.server = server;
    for (const held of this.held.values()) if (held.state === "ready") this.enter(held, "loading");
    this.work.wake();
  }

  /** The list is not what it was. */
  changed(): void {
    this.isStale = true;
    this.work.wake();
  }

  /** Tells a side that knows nothing, and sees what has changed since the list was last asked for. */
  announce(limits: Pick<ModelServer, "maxActive" | "maxQueue">): void {
    this.deps.tell({ type: "serving", max_active: limits.maxActive, max_queue: limits.maxQueue });
    for (const held of this.held.values()) this.tell(held);
    this.changed();
  }

  /** Nothing is offered any more. */
  withdraw(): void {
    this.isWithdrawn = true;
    const ids = [...this.held.keys()];
    this.held.clear();
    for (const id of ids) this.deps.tell({ type: "deployment", id, state: "unloaded" });
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { signal: news } = this.work;
      try {
        if (this.isStale) await this.sync(signal);
        await this.advance(signal, news);
      } catch (error) {
        if (signal.aborted) return;
        this.deps.log.warn(`${this.deps.leaseId}: the deployments are not to be had: ${describeError(error)}`);
      }
      if (!news.aborted) await untilAborted(AbortSignal.any([news, signal]));
    }
  }

  private async sync(signal: AbortSignal): Promise<void> {
    this.isStale = false;
    const { deployments } = await this.deps.list(signal);
    if (this.isWithdrawn) return;
    const listed = new Set(deployments.map(({ id }) => id));
    for (const held of [...this.held.values()]) if (!listed.has(held.source.id)) void this.drop(held, signal);
    for (const source of deployments) {
      const held = this.held.get(source.id);
      if (held) this.renew(held, source);
      else this.add(source);
    }
  }

  private add(source: ServedDeployment): void {
    this.count += 1;
    const folder = join(this.deps.folder, String(this.count));
    const held: Held = { source, folder, state: "loading", model: null, deaths: 0, failedAtMs: 0 };
    this.held.set(source.id, held);
    this.tell(held);
  }

  /** Links of downloads do not live for ever. */
  private renew(held: Held, source: ServedDeployment): void {
    held.source = source;
    if (held.state !== "failed" || this.deps.clock.now() - held.failedAtMs < RETRY_AFTER_MS) return;
    held.deaths = 0;
    this.enter(held, "loading");
  }

  /** The server lets the requests that it works on end first, for which nobody waits. */
  private async drop(held: Held, signal: AbortSignal): Promise<void> {
    const { id } = held.source;
    this.held.delete(id);
    this.deps.tell({ type: "deployment", id, state: "unloaded" });
    try {
      if (held.state === "ready") await this.server?.unload(id, signal);
      await rm(held.folder, { recursive: true, force: true });
    } catch (error) {
      this.deps.log.warn(`${this.deps.leaseId}: deployment ${id} is not unloaded: ${describeError(error)}`);
    }
  }

  /** Fetches what has no files yet, then loads what has; stops early when there is news. */
  private async advance(signal: AbortSignal, news: AbortSignal): Promise<void> {
    for (const held of this.held.values()) {
      if (news.aborted || signal.aborted) return;
      if (held.state === "loading") await this.load(held, signal);
    }
  }

  private async load(held: Held, signal: AbortSignal): Promise<void> {
    const { source, folder } = held;
    let server: ModelServer | null = null;
    try {
      held.model ??= await this.deps.fetch(source, folder, signal);
      ({ server } = this);
      if (!server) return;
      const { labels } = await server.load(held.model, signal);
      if (!this.isHeld(held)) return await server.unload(source.id, signal);
      if (server !== this.server) return;
      if (labels && Buffer.byteLength(JSON.stringify(labels)) <= MAX_LABELS_BYTES) held.labels = labels;
      held.deaths = 0;
      this.enter(held, "ready");
    } catch (error) {
      if (signal.aborted || !this.isHeld(held)) return;
      if (server && !(error instanceof ModelRefused)) await this.died(held, server, signal);
      else this.fail(held, describeError(error));
    }
  }

  /** It is not taken from the engine meanwhile. */
  private isHeld(held: Held): boolean {
    return this.held.get(held.source.id) === held;
  }

  /** The server is gone, or does not answer; the next one tries again. */
  private async died(held: Held, server: ModelServer, signal: AbortSignal): Promise<void> {
    await Promise.race([server.ended, this.deps.clock.sleep(RETRY_AFTER_MS, signal)]);
    held.deaths += 1;
    if (held.deaths >= MAX_DEATHS) this.fail(held, "the model server ended while it loaded this model");
    else this.work.wake();
  }

  private fail(held: Held, message: string): void {
    this.deps.log.warn(`${this.deps.leaseId}: deployment ${held.source.id}: ${message}`);
    held.message = message.slice(0, MAX_MESSAGE_CHARACTERS);
    held.failedAtMs = this.deps.clock.now();
    this.enter(held, "failed");
  }

  private enter(held: Held, state: Held["state"]): void {
    held.state = state;
    this.tell(held);
  }

  private tell({ source: { id }, state, message, labels }: Held): void {
    this.deps.tell({
      type: "deployment",
      id,
      state,
      ...(state === "failed" && { message }),
      ...(state === "ready" && labels && { labels }),
    });
  }
}
