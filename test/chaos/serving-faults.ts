/** What strikes an engine that serves: its agents, their model servers and the whole control plane, at random moments. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Deployment } from "./deployment";
import type { Random } from "./random";

export const SERVING_FAULTS = ["agent", "freeze", "server", "worker"] as const;
export type ServingFault = (typeof SERVING_FAULTS)[number];

const SHARES: readonly (readonly [ServingFault, number])[] = [
  ["agent", 35],
  ["freeze", 20],
  ["server", 25],
  ["worker", 20],
];
const MAX_PAUSE_MS = 4_000;
const MAX_FREEZE_LEASES = 2.5;
const FRESH_MACHINE = 0.4;
/** Between two strikes: enough for some requests to be served. */
const [MIN_GAP_MS, MAX_GAP_MS] = [1_000, 6_000];
const POLL_MS = 100;

export class ServingFaults {
  readonly counts: Record<ServingFault, number> = { agent: 0, freeze: 0, server: 0, worker: 0 };
  #recoveries: Promise<void>[] = [];

  constructor(
    private readonly deployment: Deployment,
    private readonly options: { random: Random; leaseMs: number; say: (line: string) => void },
  ) {}

  /** Strikes until `untilMs`, then waits until everything is up again. */
  async strike(untilMs: number): Promise<void> {
    const { random } = this.options;
    for (let nextMs = Date.now() + MIN_GAP_MS; Date.now() < untilMs; await sleep(POLL_MS)) {
      if (Date.now() < nextMs) continue;
      await this.#one(random.pick(SHARES.flatMap(([fault, share]) => Array<ServingFault>(share).fill(fault))));
      nextMs = Date.now() + random.between(MIN_GAP_MS, MAX_GAP_MS);
    }
    await Promise.all(this.#recoveries);
  }

  async #one(fault: ServingFault): Promise<void> {
    const { hosts, plane } = this.deployment;
    const { random, say } = this.options;
    const ready = hosts.filter((host) => host.isUp && !host.isFrozen);
    if (fault === "worker" ? !plane.isUp : ready.length === 0) return;
    const host = fault === "worker" ? null : random.pick(ready);
    const servers = host?.servers() ?? [];
    if (fault === "server" && servers.length === 0) return;
    this.counts[fault] += 1;
    say(`${fault} ${host === null ? "" : `of ${host.name}`}`);
    if (host === null) {
      await plane.kill();
      this.#recover(random.between(0, MAX_PAUSE_MS), () => plane.restart());
    } else if (fault === "server") {
      process.kill(random.pick(servers), "SIGKILL");
    } else if (fault === "freeze") {
      host.freeze();
      this.#recover(random.between(0.3, MAX_FREEZE_LEASES) * this.options.leaseMs, () => host.thaw());
    } else {
      await host.kill();
      this.#recover(random.between(0, MAX_PAUSE_MS), () => host.start(random.chance(FRESH_MACHINE)));
    }
  }

  #recover(afterMs: number, recover: () => Promise<void> | void): void {
    const recovery = sleep(afterMs).then(recover);
    recovery.catch(() => undefined); // It is thrown at the end of `strike`.
    this.#recoveries.push(recovery);
  }
}
