/**
 * Reports of an agent, taken in the job's object and never in D1 (but for a start, a revival and a rare `seen_at`).
 * The object's lease row is the fence: a stale epoch or another agent changes nothing.
 */
import type { Directive, ReportRequest, ReportResponse } from "../../protocol";
import { DomainError } from "../domain/errors";
import type { Faults } from "../domain/faults";
import { isTerminal } from "../domain/job-state";
import type { AgentDirectory, Clock, JobLocal, JobStore, Later, LocalLease, TokenSigner } from "../domain/ports";
import { expiryKey, type JobDoor } from "./job-door";
import { transitionId } from "./transition-id";

/** D1 learns of a live job this often, so that a sweep finds those whose alarm was lost. */
const SEEN_EVERY_MS = 5 * 60_000;
/** Gather this long before the next report: short while someone listens. */
const FLUSH_MS_LISTENED = 100;
const FLUSH_MS_ALONE = 1_000;

export interface ReportPorts {
  jobId: string;
  local: JobLocal;
  door: JobDoor;
  jobs: JobStore;
  clock: Clock;
  later: Later;
  leaseMs: number;
  faults: Faults;
}

export class TaskReports {
  readonly #ports: ReportPorts;
  #seenAtMs = 0;
  /** Known to be testing: a trainer says so again and again. */
  #testingEpoch = 0;

  constructor(ports: ReportPorts) {
    this.#ports = ports;
  }

  /** The lease that `agentId` holds under `epoch`, in a state that still takes writes. Throws `stale_lease`. */
  fence(agentId: string, epoch: number): LocalLease {
    const lease = this.#ports.local.lease();
    if (lease?.epoch !== epoch || lease.agentId !== agentId || lease.state === "ended") {
      throw new DomainError("stale_lease", "this lease is no longer yours; end the task and change nothing");
    }
    return lease;
  }

  async report(agentId: string, epoch: number, request: ReportRequest): Promise<ReportResponse> {
    const { local, faults } = this.#ports;
    await faults.at("report_received");
    const lease = await this.live(this.fence(agentId, epoch));
    // The job has ended while the lease was expired: its stream is closed.
    if (lease.state === "expired") return this.#answer(lease);
    if (request.lane === "heartbeat") return this.#heartbeat(lease);
    if (request.lane === "data") await this.#moveAsSaid(lease, request);
    const answer = this.#answer(this.fence(agentId, epoch));
    const outcome = local.applyReport(lease, request, answer);
    await faults.at("report_applied");
    if (outcome.type === "gap") {
      throw new DomainError("seq_gap", `expected seq ${String(outcome.expected)} of lane ${request.lane}`, {
        facts: { expected: outcome.expected },
      });
    }
    return outcome.type === "repeat" ? { ...outcome.answer, expires_at_ms: answer.expires_at_ms } : answer;
  }

  /** An expired lease that nobody has claimed since goes on, under the same epoch. */
  async live(lease: LocalLease): Promise<LocalLease> {
    if (lease.state !== "expired") return lease;
    const { door } = this.#ports;
    const job = await door.settled();
    const present = this.fence(lease.agentId, lease.epoch);
    if (present.state !== "expired" || isTerminal(job.status)) return present;
    if (
      job.status === "paused" ||
      job.lastTid !== (await transitionId(job.id, "lose", expiryKey(lease.epoch, job.version - 1)))
    ) {
      throw new DomainError("stale_lease", "this lease was given back or taken away");
    }
    await door.transition(
      { type: "revive", epoch: lease.epoch, agentId: lease.agentId, wasRunning: await this.#hasStarted(lease.epoch) },
      `revive ${String(lease.epoch)} ${String(job.version)}`,
    );
    this.#testingEpoch = 0;
    if (await door.hasCommitted(testCommand(lease.epoch), testKey(lease.epoch))) await this.#test(lease.epoch);
    return this.fence(lease.agentId, lease.epoch);
  }

  async #hasStarted(epoch: number): Promise<boolean> {
    const { jobs, jobId } = this.#ports;
    return jobs.committed(jobId, await transitionId(jobId, "start", startKey(epoch)));
  }

  #heartbeat(lease: LocalLease): ReportResponse {
    const { clock, local, leaseMs, jobs, later, jobId } = this.#ports;
    const nowMs = clock.nowMs();
    // A draining lease is not extended: it ends with its release or by the clock.
    const beating = lease.state === "live" ? { ...lease, expiresAtMs: nowMs + leaseMs } : lease;
    if (lease.state === "live") local.saveLease(beating);
    if (nowMs - this.#seenAtMs > SEEN_EVERY_MS) {
      this.#seenAtMs = nowMs;
      later(jobs.touchSeen(jobId, nowMs));
    }
    return this.#answer(beating);
  }

  /** The trainer's first word moves the job to running, and its first of the tests to testing, before what it reports. */
  async #moveAsSaid(lease: LocalLease, { items }: Extract<ReportRequest, { lane: "data" }>): Promise<void> {
    if (lease.state !== "live") return;
    const started = items.find((item) => item.type === "started");
    if (started) await this.#start(lease, started.resumed_from_step);
    if (items.some((item) => item.type === "testing")) await this.#test(lease.epoch);
  }

  async #start(lease: LocalLease, resumedFromStep: number): Promise<void> {
    const job = await this.#ports.door.settled();
    if (job.status !== "provisioning") return;
    const command = { type: "start", epoch: lease.epoch, resumedFromStep } as const;
    await this.#ports.door.transition(command, startKey(lease.epoch));
  }

  async #test(epoch: number): Promise<void> {
    if (this.#testingEpoch === epoch) return;
    const { door } = this.#ports;
    let job = await door.settled();
    if (job.status === "running") {
      const command = testCommand(epoch);
      // A lease that is revived during its tests comes back as running, and is moved once more.
      const isAgain = await door.hasCommitted(command, testKey(epoch));
      job = await door.transition(command, isAgain ? `${testKey(epoch)} ${String(job.version)}` : testKey(epoch));
    }
    if (job.status === "testing") this.#testingEpoch = epoch;
  }

  #directive(lease: LocalLease): Directive {
    if (lease.state !== "live") return "cancel";
    return this.#ports.local.pauseRequested() ? "pause" : "continue";
  }

  #answer(lease: LocalLease): ReportResponse {
    return {
      directive: this.#directive(lease),
      expires_at_ms: lease.expiresAtMs,
      flush_ms: this.#ports.local.hasListeners() ? FLUSH_MS_LISTENED : FLUSH_MS_ALONE,
    };
  }
}

function startKey(epoch: number): string {
  return `start ${String(epoch)}`;
}

function testKey(epoch: number): string {
  return `test ${String(epoch)}`;
}

function testCommand(epoch: number) {
  return { type: "test" as const, epoch };
}

/** A heartbeat renews the agent's token when less than half of its life is left. */
export async function renewedToken(
  ports: { tokens: TokenSigner; directory: AgentDirectory; clock: Clock },
  agent: { agentId: string; accountId: string | null; expiresAtMs: number },
): Promise<{ agent_token?: string; token_expires_at_ms?: number }> {
  const HALF_LIFE_MS = 30 * 60_000;
  if (agent.expiresAtMs - ports.clock.nowMs() > HALF_LIFE_MS) return {};
  if (await ports.directory.isRevoked(agent.agentId)) {
    throw new DomainError("unauthenticated", "this agent was revoked");
  }
  const { token, expiresAtMs } = await ports.tokens.sign(agent);
  return { agent_token: token, token_expires_at_ms: expiresAtMs };
}
