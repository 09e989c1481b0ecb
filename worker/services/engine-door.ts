/**
 * The only caller of an engine's transitions; it lives in the engine's object and runs them one at a time. D1 decides what
 * the engine is; its serve tasks and its sockets follow, and what a crash leaves between two writes is put right by whoever
 * comes next: the `check` timer at the latest. Rules are looked at each time, not remembered: a timer only makes the door look.
 */
import { isTerminal } from "../domain/job-state";
import { DomainError, notFound } from "../domain/errors";
import { ENGINE_TIMERS, type EngineDoor, type EngineLocal, type EngineRelay } from "../domain/engine-object-ports";
import { idleEndMs, mayWake, mustBeUp, pauseEndMs } from "../domain/engine-rules";
import { isOutOfHours, nextBeginMs, serviceAt } from "../domain/engine-schedule";
import type { EngineRecord } from "../domain/engines";
import type { JobRecord } from "../domain/job";
import type { DeploymentStore, EngineChange, EngineStore, ServingAgent } from "../domain/ports";
import { cancelTasks, serveTask, unendedTasks, type ServeTaskPorts } from "./serve-tasks";

/** How long what is under way may take before the timer looks what became of it. */
const CHECK_MS = 10_000;
/** An engine is not kept up for longer than this by a model that does not come up. */
const LONGEST_LOAD_MS = 30 * 60_000;
/** D1 and the object learn of a busy engine's requests this often at most. */
const TOLD_EVERY_MS = 60_000;
const NOTED_EVERY_MS = 1_000;
const REMIND_EVERY_MS = 10_000;

export interface EngineDoorPorts extends ServeTaskPorts {
  engineId: string;
  local: EngineLocal;
  engines: EngineStore;
  deployments: DeploymentStore;
  relay: EngineRelay;
}

export class ServingDoor implements EngineDoor {
  readonly #ports: EngineDoorPorts;
  #last: Promise<unknown> = Promise.resolve();
  /** Requests may come by the thousand while their engine is down: they share one look. */
  readonly #wakes = new Map<string, Promise<EngineRecord>>();
  #activeAtMs = 0;
  #notedAtMs = 0;
  #toldAtMs = 0;
  #remindedAtMs = 0;

  constructor(ports: EngineDoorPorts) {
    this.#ports = ports;
  }

  settled(): Promise<EngineRecord> {
    return this.#oneAtATime(() => this.#settled());
  }

  /** For whoever only says that something may have changed. False: the engine is gone, and nobody asks for its log. */
  look(): Promise<boolean> {
    return this.#oneAtATime(async () => {
      const { engines, engineId, deployments } = this.#ports;
      const engine = await engines.load(engineId);
      if (engine?.deletedAtMs === null) {
        await this.#settled();
        return true;
      }
      if (engine) {
        await this.#leaveNothing(engine);
        const { items } = await deployments.list(engine.accountId, { engineId }, { limit: 1 });
        if (items.length > 0) return true;
      }
      await this.#erase();
      return false;
    });
  }

  wake(reason: "request" | "asked" | "schedule"): Promise<EngineRecord> {
    const shared = this.#wakes.get(reason);
    if (shared) return shared;
    const wake = this.#oneAtATime(async () => {
      this.#wakes.delete(reason);
      return this.#wake(reason);
    });
    this.#wakes.set(reason, wake);
    return wake;
  }

  /** By somebody's wish: throws `illegal_transition` when it is up or on its way. */
  reactivate(): Promise<EngineRecord> {
    return this.#oneAtATime(async () => {
      const engine = await this.#settled();
      if (engine.status !== "inactive") throw wrongState(engine);
      return this.#start(engine);
    });
  }

  deactivate(reason: "asked" | "idle" | "schedule"): Promise<EngineRecord> {
    return this.#oneAtATime(async () => {
      const { local, clock } = this.#ports;
      const engine = await this.#settled();
      if (engine.status === "inactive") throw wrongState(engine);
      const { management } = engine;
      if (reason === "asked" && management.kind === "schedule") {
        local.setFact("held_until", nextBeginMs(management, clock.nowMs()));
      }
      return this.#stop(engine, {});
    });
  }

  /** Agents are told; `wakes`: an engine whose hours do not forbid it comes up. */
  deploymentsChanged(wakes: boolean): Promise<void> {
    return this.#oneAtATime(async () => {
      const engine = await this.#settled();
      this.#ports.relay.tell({ type: "deployments_changed" });
      if (!wakes || engine.status !== "inactive") return;
      if (!isOutOfHours(engine.management, this.#ports.clock.nowMs())) await this.#start(engine);
    });
  }

  configure(change: Pick<EngineChange, "management" | "replicas">): Promise<EngineRecord> {
    return this.#oneAtATime(async () => {
      const { local, clock } = this.#ports;
      const engine = await this.#change(await this.#settled(), change);
      if (change.management === undefined) return this.#settled();
      local.setFact("held_until", null);
      // From now on, and not from the last request on: nobody shall lose a running engine by choosing another rule.
      this.#note(clock.nowMs());
      const mustEnd = engine.status !== "inactive" && isOutOfHours(change.management, clock.nowMs());
      if (mustEnd) await this.#stop(engine, {});
      return this.#settled();
    });
  }

  /** Its end, for good. Safe to repeat. `erases`: what requests it has had is forgotten too. */
  remove(erases: boolean): Promise<void> {
    return this.#oneAtATime(async () => {
      const { clock, engines, local } = this.#ports;
      const engine = await engines.load(this.#ports.engineId);
      if (!engine) throw notFound("engine");
      local.setTimer("check", clock.nowMs() + CHECK_MS);
      if (engine.deletedAtMs === null) {
        const nowMs = clock.nowMs();
        const deactivatedAtMs = engine.status === "inactive" ? engine.deactivatedAtMs : nowMs;
        await this.#change(engine, { status: "inactive", deactivatedAtMs, deletedAtMs: nowMs });
        await this.#ports.faults.at("engine_changed");
      }
      await this.#leaveNothing(engine);
      if (erases) await this.#erase();
    });
  }

  /** What is due is not told apart: every look looks at all of it. */
  onAlarm(): Promise<boolean> {
    return this.look();
  }

  onServing(agent: ServingAgent): void {
    this.#happened(agent, (engine) => this.#active(engine).then(() => undefined));
  }

  onReady(agent: ServingAgent, deploymentId: string, labels: string[] | null): void {
    this.#happened(agent, async (found) => {
      const engine = await this.#active(found);
      const { deployments, clock, local } = this.#ports;
      await deployments.markReady(deploymentId, engine.run, labels, clock.nowMs());
      local.setFact("failures", null);
    });
  }

  onFailed(agent: ServingAgent, deploymentId: string, message: string): void {
    this.#happened(agent, async () => {
      const { deployments, relay, clock } = this.#ports;
      // What another agent serves is not at fault.
      if (relay.isReady(deploymentId)) return;
      await deployments.markFailed(deploymentId, message, clock.nowMs());
      relay.tell({ type: "deployments_changed" });
    });
  }

  /** It comes back by itself, or its lease runs out, which its task's object tells. */
  onGone(): void {
    return;
  }

  /** On the path of every request: D1 and the object's rows are told now and then. */
  onActivity(): void {
    const nowMs = this.#ports.clock.nowMs();
    this.#activeAtMs = nowMs;
    if (this.#ports.relay.openStreams() === 0 || nowMs - this.#notedAtMs > NOTED_EVERY_MS) this.#note(nowMs);
    if (nowMs - this.#toldAtMs <= TOLD_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#ports.later(
      this.#oneAtATime(async () => {
        const engine = await this.#load();
        await this.#change(engine, { lastAccessAtMs: nowMs });
      }),
    );
  }

  /** What an agent tells counts while its task is one of the present run. */
  #happened(agent: ServingAgent, work: (engine: EngineRecord) => Promise<void>): void {
    this.#ports.later(
      this.#oneAtATime(async () => {
        const engine = await this.#load();
        if (engine.status === "inactive" || !engine.taskIds.includes(agent.taskId)) return;
        await work(engine);
        this.#note(this.#ports.clock.nowMs());
        this.#arm(await this.#load());
      }),
    );
  }

  async #active(engine: EngineRecord): Promise<EngineRecord> {
    if (engine.status === "active") return engine;
    return this.#change(engine, { status: "active", activeSinceMs: this.#ports.clock.nowMs() });
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #load(): Promise<EngineRecord> {
    const engine = await this.#ports.engines.load(this.#ports.engineId);
    if (!engine) throw notFound("engine");
    if (engine.deletedAtMs === null) return engine;
    await this.#leaveNothing(engine);
    throw notFound("engine");
  }

  async #leaveNothing(engine: EngineRecord): Promise<void> {
    this.#ports.relay.retire("the engine was deleted");
    await cancelTasks(this.#ports, await unendedTasks(this.#ports, engine), []);
    for (const timer of ENGINE_TIMERS) this.#ports.local.clearTimer(timer);
  }

  /** What is still under way could not be logged any more. */
  async #erase(): Promise<void> {
    this.#ports.relay.drop("the engine was deleted");
    await this.#ports.local.erase();
  }

  async #change(engine: EngineRecord, change: EngineChange): Promise<EngineRecord> {
    const after = await this.#ports.engines.change(engine, change, this.#ports.clock.nowMs());
    if (after) return after;
    throw new DomainError("unavailable", "the engine has just changed; try again", { retryAfterSeconds: 1 });
  }

  /** The engine as its row, its tasks and its rule have it. */
  async #settled(): Promise<EngineRecord> {
    const { local, clock } = this.#ports;
    const found = await this.#load();
    let engine = found.status === "inactive" ? await this.#keptDown(found) : await this.#keptUp(found);
    // A timer of a schedule stands for its next change: one that is due out of hours was an end.
    const hasEnded = local.dueTimers(clock.nowMs()).includes("schedule") && this.#isOutOfHours(engine);
    const isDone = hasEnded || (await this.#isIdle(engine));
    if (isDone && engine.status !== "inactive") engine = await this.#stop(engine, {});
    if (mustBeUp(engine, this.#memory(), clock.nowMs())) engine = await this.#start(engine);
    local.clearTimer("check");
    this.#arm(engine);
    return engine;
  }

  async #keptDown(engine: EngineRecord): Promise<EngineRecord> {
    const { relay } = this.#ports;
    if (relay.agents().length > 0) relay.retire("the engine was deactivated");
    await cancelTasks(this.#ports, await unendedTasks(this.#ports, engine), []);
    return engine;
  }

  async #keptUp(engine: EngineRecord): Promise<EngineRecord> {
    const unended = await unendedTasks(this.#ports, engine);
    this.#dropSilent(unended);
    const live = unended.filter(({ id }) => engine.taskIds.includes(id));
    if (engine.taskIds.length > 0 && live.length === 0) return this.#failed(engine);
    const after = live.length < engine.replicas ? await this.#staffed(engine, live) : engine;
    // What no row names goes, and of those that are too many the newest.
    const made = after.taskIds.slice(engine.taskIds.length);
    const wanted = live.slice(0, after.replicas).map(({ id }) => id);
    await cancelTasks(this.#ports, unended, [...wanted, ...made]);
    return this.#shown(after, live);
  }

  /** An agent that has lost its lease may be frozen with its socket open, and requests are not to wait for it. */
  #dropSilent(tasks: JobRecord[]): void {
    const { relay } = this.#ports;
    for (const { taskId } of relay.agents()) {
      const isLost = tasks.some(({ id, status }) => id === taskId && status === "queued");
      if (isLost) relay.drop("the agent was not heard of", taskId);
    }
  }

  /** Places that are empty are filled; one whose task has failed is not, since it would fail again. */
  async #staffed(engine: EngineRecord, live: JobRecord[]): Promise<EngineRecord> {
    const { jobs, faults } = this.#ports;
    const ids = engine.taskIds.filter((id) => live.every((task) => task.id !== id));
    const ended = await Promise.all(ids.map((id) => jobs.load(id)));
    const failed = ended.filter((task) => task !== null && task.status !== "cancelled").length;
    const missing = engine.replicas - live.length - failed;
    if (missing <= 0) return engine;
    const places = Array.from({ length: missing }, (_, n) => engine.taskIds.length + 1 + n);
    const made = await Promise.all(places.map((place) => serveTask(this.#ports, engine, place)));
    await faults.at("serve_tasks_made");
    return this.#change(engine, { taskIds: [...engine.taskIds, ...made.map(({ id }) => id)] });
  }

  /** An engine that has lost all of its agents is on its way again. */
  async #shown(engine: EngineRecord, live: JobRecord[]): Promise<EngineRecord> {
    if (engine.status !== "active" || this.#ports.relay.agents().length > 0) return engine;
    if (live.some(({ status }) => status === "running")) return engine;
    return this.#change(engine, { status: "starting" });
  }

  /** Every task of the run has ended by itself. */
  async #failed(engine: EngineRecord): Promise<EngineRecord> {
    const { local, jobs, clock } = this.#ports;
    const tasks = await Promise.all(engine.taskIds.map((id) => jobs.load(id)));
    const ended = tasks.filter((task) => task !== null && isTerminal(task.status)) as JobRecord[];
    ended.sort((a, b) => (a.completedAtMs ?? 0) - (b.completedAtMs ?? 0));
    local.setFact("failures", (local.fact("failures") ?? 0) + 1);
    local.setFact("failed_at", clock.nowMs());
    const problem = ended.at(-1)?.reasonMessage ?? "its serve tasks have ended";
    return this.#stop(engine, { problem });
  }

  async #wake(reason: "request" | "asked" | "schedule"): Promise<EngineRecord> {
    const engine = await this.#settled();
    if (engine.status !== "inactive") {
      if (reason === "request") this.#remind();
      return engine;
    }
    if (reason === "request") mayWake(engine, this.#memory(), this.#ports.clock.nowMs());
    // In its hours it would be up by now, but for what holds it down.
    if (reason === "schedule") return engine;
    return this.#start(engine);
  }

  /** A request waits for what no agent has: whoever deployed it may have died before it could tell. */
  #remind(): void {
    const nowMs = this.#ports.clock.nowMs();
    if (nowMs - this.#remindedAtMs < REMIND_EVERY_MS) return;
    this.#remindedAtMs = nowMs;
    this.#ports.relay.tell({ type: "deployments_changed" });
  }

  async #start(engine: EngineRecord): Promise<EngineRecord> {
    const { local, clock, faults } = this.#ports;
    local.setTimer("check", clock.nowMs() + CHECK_MS);
    local.setFact("held_until", null);
    this.#note(clock.nowMs());
    const begun = await this.#change(engine, { status: "starting", run: engine.run + 1, taskIds: [], problem: null });
    await faults.at("engine_changed");
    const started = await this.#staffed(begun, []);
    local.clearTimer("check");
    this.#arm(started);
    return started;
  }

  async #stop(engine: EngineRecord, { problem = null }: Pick<EngineChange, "problem">): Promise<EngineRecord> {
    const { local, clock, faults, relay } = this.#ports;
    local.setTimer("check", clock.nowMs() + CHECK_MS);
    const ended = await this.#change(engine, { status: "inactive", problem, deactivatedAtMs: clock.nowMs() });
    await faults.at("engine_changed");
    relay.retire(problem ?? "the engine was deactivated");
    await cancelTasks(this.#ports, await unendedTasks(this.#ports, ended), []);
    local.clearTimer("check");
    this.#arm(ended);
    return ended;
  }

  #isOutOfHours({ management }: EngineRecord): boolean {
    return isOutOfHours(management, this.#ports.clock.nowMs());
  }

  async #isIdle(engine: EngineRecord): Promise<boolean> {
    const nowMs = this.#ports.clock.nowMs();
    const endMs = idleEndMs(engine, this.#lastActivityMs());
    if (endMs === null || endMs > nowMs || this.#ports.relay.openStreams() > 0) return false;
    if (!(await this.#isLoading(engine))) return true;
    this.#note(nowMs);
    return false;
  }

  /** A model is on its way, and whoever woke it waits: a load may take longer than the engine may be idle. */
  async #isLoading({ run, activeSinceMs }: EngineRecord): Promise<boolean> {
    const { deployments, engineId, clock } = this.#ports;
    const sinceMs = clock.nowMs() - LONGEST_LOAD_MS;
    const its = await deployments.ofEngine(engineId);
    return its.some(
      ({ state, readyRun, updatedAtMs }) =>
        state === "live" && readyRun !== run && Math.max(activeSinceMs ?? 0, updatedAtMs) > sinceMs,
    );
  }

  #lastActivityMs(): number {
    return Math.max(this.#activeAtMs, this.#ports.local.fact("last_activity") ?? 0);
  }

  #note(atMs: number): void {
    this.#activeAtMs = atMs;
    this.#notedAtMs = atMs;
    this.#ports.local.setFact("last_activity", atMs);
  }

  #memory() {
    const { local } = this.#ports;
    return {
      heldUntilMs: local.fact("held_until"),
      failures: local.fact("failures") ?? 0,
      failedAtMs: local.fact("failed_at") ?? 0,
    };
  }

  /** When the door has to look again. */
  #arm(engine: EngineRecord): void {
    const { relay, clock } = this.#ports;
    const { management } = engine;
    const nowMs = clock.nowMs();
    const fromMs = relay.openStreams() > 0 ? nowMs : this.#lastActivityMs();
    this.#setTimer("idle", idleEndMs(engine, fromMs));
    this.#setTimer("schedule", management.kind === "schedule" ? serviceAt(management, nowMs).changesAtMs : null);
    const pauseMs = management.kind === "schedule" ? pauseEndMs(engine, this.#memory()) : null;
    this.#setTimer("retry", pauseMs !== null && pauseMs > nowMs ? pauseMs : null);
  }

  #setTimer(name: "idle" | "schedule" | "retry", atMs: number | null): void {
    const { local } = this.#ports;
    if (atMs === null) local.clearTimer(name);
    else local.setTimer(name, atMs);
  }
}

function wrongState({ status }: EngineRecord): DomainError {
  return new DomainError("illegal_transition", `the engine is ${status}`);
}
