/**
 * The faults and who is struck by them: the agent, the trainer or the whole control plane is killed, or an agent is frozen
 * for about a lease. What was killed comes up again after a random pause, while other faults may go on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "../harness/processes";
import type { AgentHost, HostTask } from "./agent-host";
import type { MortalPlane } from "./control-plane";
import type { Pacing } from "./pacing";
import type { Random } from "./random";

export const FAULTS = ["agent", "trainer", "worker", "freeze"] as const;
export type Fault = (typeof FAULTS)[number];
export type FaultCounts = Record<Fault, number>;

/** Of a hundred, while all are possible; a worker may be killed only when every job can bear it, which is seldom so. A frozen agent is no kill, and comes on top. */
const SHARES: readonly (readonly [Fault, number])[] = [
  ["agent", 20],
  ["trainer", 25],
  ["worker", 50],
  ["freeze", 5],
];
/** A machine that comes back as itself, or another one in its place. */
const FRESH_MACHINE = 0.4;
const MAX_AGENT_PAUSE_MS = 4_000;
/** A worker is away for up to this many leases, and the time that it takes to start. */
const MAX_OUTAGE_LEASES = 1.5;
const MAX_FREEZE_LEASES = 2.5;
/** A trainer ends within 5 s of its agent (DESIGN §4); the rest is for a busy machine. */
const TRAINER_ENDS_MS = 20_000;

export interface Victims {
  hosts: AgentHost[];
  plane: MortalPlane;
  pacing: Pacing;
  random: Random;
  leaseMs: number;
  /** The attempt that a job is at, as last seen. */
  attemptOf: (jobId: string) => number;
  say: (line: string) => void;
}

export class Faults {
  readonly counts: FaultCounts = { agent: 0, trainer: 0, worker: 0, freeze: 0 };
  readonly violations: string[] = [];
  /** What comes up again by itself; each is waited for at the end. */
  readonly #recoveries = new Set<Promise<void>>();
  #failure: Error | null = null;

  constructor(private readonly victims: Victims) {}

  get kills(): number {
    return this.counts.agent + this.counts.trainer + this.counts.worker;
  }

  /** Strikes when somebody is due, by a fault that is possible now; throws when something did not come up again. */
  async strikeIfDue(nowMs: number): Promise<void> {
    if (this.#failure) throw this.#failure;
    const { hosts, plane, pacing } = this.victims;
    const ready = hosts.flatMap((host) => {
      const task = host.isFrozen ? null : host.task();
      return task && pacing.mayStrike(task.jobId, nowMs) ? [{ host, task }] : [];
    });
    if (ready.length === 0) return;
    const { host, task } = this.victims.random.pick(ready);
    const isPossible: Record<Fault, boolean> = {
      agent: true,
      trainer: task.trainerPid !== null,
      worker: plane.isUp && this.#allCanBear(),
      freeze: true,
    };
    await this.#strike(this.#draw(SHARES.filter(([fault]) => isPossible[fault])), host, task);
  }

  /** Everything is up again. */
  async recovered(): Promise<void> {
    while (this.#recoveries.size > 0) await Promise.all(this.#recoveries);
    if (this.#failure) throw this.#failure;
  }

  #allCanBear(): boolean {
    const { hosts, pacing } = this.victims;
    return hosts.every((host) => pacing.canBear(host.task()?.jobId ?? ""));
  }

  #draw(shares: typeof SHARES): Fault {
    const whole = shares.reduce((sum, [, share]) => sum + share, 0);
    let left = this.victims.random.between(0, whole);
    const drawn = shares.find(([, share]) => (left -= share) < 0);
    return drawn?.[0] ?? "agent";
  }

  async #strike(fault: Fault, host: AgentHost, task: HostTask): Promise<void> {
    this.counts[fault] += 1;
    this.victims.say(`${fault} ${fault === "worker" ? "" : `of ${host.name} `}at ${task.jobId}.${String(task.epoch)}`);
    if (fault === "worker") return this.#killWorker();
    this.#wound(task, fault !== "freeze", Date.now());
    if (fault === "trainer") killIfThere(task.trainerPid);
    else if (fault === "agent") await this.#killAgent(host, task);
    else this.#freeze(host, task);
  }

  #wound(task: HostTask, isMortal: boolean, atMs: number): void {
    const { pacing, attemptOf } = this.victims;
    pacing.struck(task.jobId, Math.max(task.epoch, attemptOf(task.jobId)), isMortal, atMs);
  }

  async #killAgent(host: AgentHost, task: HostTask): Promise<void> {
    const { random } = this.victims;
    const pauseMs = random.between(0, MAX_AGENT_PAUSE_MS);
    const isFresh = random.chance(FRESH_MACHINE);
    await host.kill();
    if (task.trainerPid !== null) this.#recover(this.#trainerEnds(task.trainerPid, task.jobId));
    this.#recover(sleep(pauseMs).then(() => host.start(isFresh)));
  }

  async #trainerEnds(pid: number, jobId: string): Promise<void> {
    for (const deadlineMs = Date.now() + TRAINER_ENDS_MS; isAlive(pid); await sleep(200)) {
      if (Date.now() < deadlineMs) continue;
      this.violations.push(`${jobId}: trainer ${String(pid)} outlived its agent by ${String(TRAINER_ENDS_MS)} ms`);
      return;
    }
  }

  #freeze(host: AgentHost, task: HostTask): void {
    const { random, leaseMs } = this.victims;
    const freezeMs = random.between(0.3, MAX_FREEZE_LEASES) * leaseMs;
    host.freeze();
    const thaw = (): void => {
      host.thaw();
      // What the lease's end costs is counted while the agent is frozen.
      this.victims.pacing.endured(task.jobId, Date.now());
    };
    this.#recover(sleep(freezeMs).then(thaw));
  }

  async #killWorker(): Promise<void> {
    const { hosts, plane, random, leaseMs } = this.victims;
    const running = hosts.flatMap((host) => host.task() ?? []);
    for (const task of running) this.#wound(task, false, Date.now());
    await plane.kill();
    const restart = async (): Promise<void> => {
      await sleep(random.between(0, MAX_OUTAGE_LEASES * leaseMs));
      await plane.restart();
      for (const task of running) this.victims.pacing.endured(task.jobId, Date.now());
    };
    this.#recover(restart());
  }

  #recover(recovery: Promise<void>): void {
    const watched = recovery.catch((error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    });
    this.#recoveries.add(watched);
    void watched.then(() => this.#recoveries.delete(watched));
  }
}

function killIfThere(pid: number | null): void {
  try {
    if (pid !== null) process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
