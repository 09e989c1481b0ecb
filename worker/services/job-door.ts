/**
 * The only door to a job's transitions; it lives in the job's object and runs them one at a time (design/authority.md).
 *
 * A transition: an intent and a timer in the object; one guarded D1 batch; then one synchronous step here that appends
 * the events to the stream, sets the lease and drops the intent; then effects, all of which can be derived again. The
 * stream is caught up by version: whatever D1 has beyond the version that the stream knows is appended, so a crash
 * between any two of these steps heals on the next call or by the intent's timer. Accepted: a wake or a cancel push may
 * be lost, which costs delay (the sweep, the next heartbeat), never a job.
 */
import type { CheckpointRecord } from "../domain/artifacts";
import { DomainError } from "../domain/errors";
import { durationDeadlineMs } from "../domain/held-time";
import type { Faults } from "../domain/faults";
import { leaseId } from "../domain/ids";
import type { JobEvent, JobRecord } from "../domain/job";
import { decide, isLive, isTerminal, type Decision, type JobCommand, type Refusal } from "../domain/job-state";
import type {
  AgentDirectory,
  CheckpointStore,
  Clock,
  DispatchQueue,
  EngineDoors,
  JobLocal,
  JobStore,
  Later,
} from "../domain/ports";
import { percentDone } from "../domain/progress";
import { DISPATCH_DELAY_SECONDS, type OfferJob } from "./offer-job";
import { transitionId } from "./transition-id";
import { untestedCheckpoints } from "./untested-checkpoints";

/** How long a transition may be under way before the timer looks what became of it. */
const INTENT_TIMEOUT_MS = 10_000;
/** An alarm that is later than this was our own outage, not the agent's. */
const LATE_ALARM_MS = 5_000;
/** Between two tries of an alarm's work while D1 is away. */
const ALARM_RETRY_MS = 5_000;

export interface DoorPorts {
  jobId: string;
  local: JobLocal;
  jobs: JobStore;
  checkpoints: CheckpointStore;
  clock: Clock;
  queue: DispatchQueue;
  agents: AgentDirectory;
  engineDoors: EngineDoors;
  offer: OfferJob;
  later: Later;
  leaseMs: number;
  faults: Faults;
}

export class JobDoor {
  readonly #ports: DoorPorts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(ports: DoorPorts) {
    this.#ports = ports;
  }

  /** Runs `command` once for each `key`: a repeat gets the first answer. Throws what the refusal means. */
  transition(command: JobCommand, key: string, checkpoint?: CheckpointRecord): Promise<JobRecord> {
    return this.#oneAtATime(() => this.#transition(command, key, checkpoint));
  }

  /** Whether `command` was carried out for this `key`: a repeat of it only gets the answer. */
  async hasCommitted(command: JobCommand, key: string): Promise<boolean> {
    const { jobs, jobId } = this.#ports;
    return jobs.committed(jobId, await transitionId(jobId, command.type, key));
  }

  /** Heals what a crash left, offers a queued job to an idle agent, and notes that somebody looked. */
  tick(): Promise<void> {
    return this.#oneAtATime(async () => {
      const job = await this.#settled();
      if (isLive(job.status)) await this.#lookAtLease();
      if (job.status !== "queued") return;
      this.#ports.later(this.#ports.offer(job));
      if (job.version === 0) await this.#transition({ type: "submit" }, job.id);
      else await this.#ports.jobs.touchTicked(job.id, this.#ports.clock.nowMs());
    });
  }

  /** The job as D1 has it, with the stream caught up. */
  settled(): Promise<JobRecord> {
    return this.#oneAtATime(() => this.#settled());
  }

  /** The object's alarm: what is due is done, and what was late by our own fault is forgiven. */
  onAlarm(): Promise<void> {
    return this.#oneAtATime(async () => {
      const { local, clock, faults } = this.#ports;
      await faults.at("alarm_rung");
      const due = local.dueTimers(clock.nowMs());
      if (due[0]) this.#giveBack(clock.nowMs() - due[0].atMs);
      for (const timer of due) {
        // Should what follows fail, or the object die in it, this rings again.
        local.setTimer(timer.name, clock.nowMs() + ALARM_RETRY_MS);
        if (timer.name === "intent") {
          await this.#settled();
          local.clearTimer("intent");
        }
        if (timer.name === "duration") await this.#durationTimer();
        if (timer.name === "lease") await this.#leaseTimer(clock.nowMs() - timer.atMs);
      }
    });
  }

  /** The agent's last word, in one turn: `command` if its lease is live, and then nothing more is taken. */
  finish(epoch: number, command: JobCommand | null, key: string): Promise<JobRecord> {
    return this.#oneAtATime(async () => {
      let job = await this.#settled();
      if (!isTerminal(job.status) && this.#ports.local.lease()?.state !== "ended") {
        if (!command) throw new DomainError("illegal_transition", "the job was not cancelled");
        job = await this.#transition(command, key);
        await this.#ports.faults.at("finish_committed");
      }
      this.#endLease(epoch, job);
      return job;
    });
  }

  /** Nothing more is taken from the agent; a job that has ended closes its stream. `job` is settled. */
  #endLease(epoch: number, job: JobRecord): void {
    const { local } = this.#ports;
    local.transaction(() => {
      const lease = local.lease();
      if (lease?.epoch === epoch) local.saveLease({ ...lease, state: "ended" });
      this.#closeStream(job);
    });
  }

  async #oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #transition(command: JobCommand, key: string, checkpoint?: CheckpointRecord): Promise<JobRecord> {
    const { local, jobs, clock, faults } = this.#ports;
    const job = await this.#settled();
    const tid = await transitionId(job.id, command.type, key);
    const verdict = decide(job, command, command.type === "lose" && (await this.#hasUntested(job)));
    if (!verdict.ok) {
      if (await jobs.committed(job.id, tid)) return job;
      throw refused(verdict.refusal, command, job);
    }
    const nowMs = clock.nowMs();
    local.transaction(() => {
      local.saveIntent(tid, command, nowMs);
      local.setTimer("intent", nowMs + INTENT_TIMEOUT_MS);
    });
    await faults.at("intent_stored");
    const { decision } = verdict;
    const write = {
      tid,
      nowMs,
      decision,
      outageMs: local.outageMs(job.task.epoch),
      progress: this.#progress(job, decision),
    };
    const after = await this.#apply(job, { ...write, ...(checkpoint ? { checkpoint } : {}) });
    await faults.at("appended");
    this.#effects(job, after);
    return after;
  }

  async #hasUntested(job: JobRecord): Promise<boolean> {
    if (job.spec.test === undefined || job.finalCheckpointId === null) return false;
    return (await untestedCheckpoints(this.#ports, job.id)).length > 0;
  }

  /** As it will be, by what the object knows at this moment. */
  #progress(job: JobRecord, { status, task }: Decision): number {
    const attempt = task?.attempt ?? job.task.attempt;
    return percentDone({ status, attempt, hasTests: job.spec.test !== undefined }, this.#ports.local.workDone());
  }

  /** Writes the transition; when the answer is lost, D1 is asked whether it committed. */
  async #apply(job: JobRecord, write: Parameters<JobStore["apply"]>[1]): Promise<JobRecord> {
    const { jobs, local, faults } = this.#ports;
    let after: JobRecord;
    try {
      after = await jobs.apply(job, write);
      await faults.at("committed");
    } catch (error) {
      // Committed now or by an earlier try: either way the stream gets what it lacks, and nothing twice.
      if (await jobs.committed(job.id, write.tid)) return this.#settled();
      local.dropIntent();
      throw error;
    }
    if (after.lastTid === write.tid) {
      this.#settle(
        after,
        write.decision.events.map((event) => ({ ...event, atMs: write.nowMs })),
      );
      return after;
    }
    local.dropIntent();
    throw new DomainError("unavailable", "the job has just changed; try again", { retryAfterSeconds: 1 });
  }

  async #settled(): Promise<JobRecord> {
    const { jobs, local, jobId } = this.#ports;
    const job = await jobs.load(jobId);
    if (!job) throw new DomainError("not_found", "job not found");
    const known = local.version();
    const wishChanged = local.pauseRequested() !== (job.pauseRequestedAtMs !== null);
    if (job.version > known || wishChanged || local.intent()) {
      this.#settle(job, job.version > known ? await jobs.eventsSince(jobId, known) : []);
    }
    return job;
  }

  /** The one synchronous step: stream, lease, intent. */
  #settle(job: JobRecord, events: JobEvent[]): void {
    const { local } = this.#ports;
    local.transaction(() => {
      local.appendEvents(job.version, job.task.attempt, events);
      local.savePauseRequested(job.pauseRequestedAtMs !== null);
      this.#settleLease(job);
      this.#armDuration(job);
      // What was given back is in the job's held time by now; a lease that is revived begins anew.
      if (!isLive(job.status)) local.dropOutage();
      local.dropIntent();
      local.clearTimer("intent");
      this.#closeStream(job);
    });
  }

  #settleLease(job: JobRecord): void {
    const { local, clock, leaseMs } = this.#ports;
    const lease = local.lease();
    const { epoch, attempt, agentId } = job.task;
    if (isLive(job.status) && agentId !== null) {
      if (lease?.epoch === epoch && lease.state === "live") return;
      const expiresAtMs = clock.nowMs() + leaseMs;
      local.saveLease({ epoch, agentId, attempt, expiresAtMs, state: "live" });
      local.setTimer("lease", expiresAtMs);
    } else if (lease?.state === "live") {
      local.saveLease({ ...lease, state: leaseStateAfter(job) });
    }
  }

  /** After the terminal event and the late lines of a draining lease comes the `end` item. */
  #closeStream(job: JobRecord): void {
    const { local, clock } = this.#ports;
    if (!isTerminal(job.status)) return;
    const state = local.lease()?.state;
    if (state !== "live" && state !== "draining") local.appendEnd(job.status, clock.nowMs());
  }

  #effects(before: JobRecord, after: JobRecord): void {
    const { agents, queue, offer, later, engineDoors } = this.#ports;
    // A serve task that is up, lost or over makes its engine something else.
    const { serve } = after.spec;
    if (serve && after.status !== before.status) later(engineDoors.of(serve.engine_id).tick());
    if (after.status === "queued" && before.status !== "queued") {
      later(offer(after));
      later(queue.send({ type: "tick", jobId: after.id }, DISPATCH_DELAY_SECONDS));
    }
    const { agentId } = before.task;
    const agentMustStop = isTerminal(after.status) || after.pauseRequestedAtMs !== null;
    if (agentMustStop && isLive(before.status) && agentId !== null) {
      later(agents.hurry(agentId, leaseId(before.task.id, before.task.epoch)));
    }
  }

  /** For a live job whose alarm may have been lost. */
  async #lookAtLease(): Promise<void> {
    const { local, clock, jobs, jobId } = this.#ports;
    const lateMs = clock.nowMs() - (local.lease()?.expiresAtMs ?? 0);
    if (lateMs >= 0) {
      this.#giveBack(lateMs);
      await this.#leaseTimer(lateMs);
    }
    await this.#durationTimer();
    await jobs.touchSeen(jobId, clock.nowMs());
  }

  /** Being late is our own outage: no time that the job had, and its agent has a lease period to tell what it did. */
  #giveBack(lateMs: number): void {
    const { local, leaseMs } = this.#ports;
    const lease = local.lease();
    if (lateMs > LATE_ALARM_MS && lease?.state === "live") local.addOutage(lease.epoch, lateMs + leaseMs);
  }

  #armDuration(job: JobRecord): void {
    const { local } = this.#ports;
    const deadlineMs = durationDeadlineMs(job, local.outageMs(job.task.epoch));
    if (deadlineMs === null) local.clearTimer("duration");
    else local.setTimer("duration", deadlineMs);
  }

  async #durationTimer(): Promise<void> {
    const { local, clock } = this.#ports;
    const job = await this.#settled();
    const { epoch } = job.task;
    const deadlineMs = durationDeadlineMs(job, local.outageMs(epoch));
    if (deadlineMs === null || deadlineMs > clock.nowMs()) {
      this.#armDuration(job);
      return;
    }
    const seconds = String(job.spec.max_duration_seconds);
    const message = `its max_duration_seconds of ${seconds} are used up; what was committed stays, and a retry goes on from there`;
    await this.#transition({ type: "time_out", epoch, message }, `time_out ${String(epoch)}`);
  }

  async #leaseTimer(lateMs: number): Promise<void> {
    const { local, clock, leaseMs } = this.#ports;
    const lease = local.lease();
    if (!lease || lease.state === "expired" || lease.state === "ended") {
      local.clearTimer("lease");
      return;
    }
    const nowMs = clock.nowMs();
    const forgiven = lateMs > LATE_ALARM_MS && lease.state === "live";
    const expiresAtMs = forgiven ? nowMs + leaseMs : lease.expiresAtMs;
    if (expiresAtMs > nowMs) {
      local.transaction(() => {
        local.saveLease({ ...lease, expiresAtMs });
        local.setTimer("lease", expiresAtMs);
      });
      return;
    }
    if (lease.state === "draining") {
      this.#endLease(lease.epoch, await this.#settled());
      return;
    }
    const message = `the agent was not heard of for ${String(Math.round(leaseMs / 1000))} s`;
    const { version } = await this.#settled();
    await this.#transition(
      { type: "lose", epoch: lease.epoch, reason: "agent_lost", message, logTail: [] },
      expiryKey(lease.epoch, version),
    );
  }
}

/** The key of an expiry, by the version that it found: what else loses a lease (release, revocation) is not revived. */
export function expiryKey(epoch: number, version: number): string {
  return `expiry ${String(epoch)} ${String(version)}`;
}

/** What becomes of a live lease when its job is no longer live. */
function leaseStateAfter(job: JobRecord): "expired" | "draining" | "ended" {
  if (job.status === "queued" || job.status === "paused") return "expired";
  return job.status === "cancelled" || job.status === "timed_out" ? "draining" : "ended";
}

function endedMessage(job: JobRecord): string {
  return `the job has already ended: ${job.status}`;
}

function refused(refusal: Refusal, command: JobCommand, job: JobRecord): DomainError {
  switch (refusal) {
    case "terminal":
      if (command.type === "cancel") return new DomainError("not_cancellable", endedMessage(job));
      if ("epoch" in command) return new DomainError("stale_lease", `the job has ended: ${job.status}`);
      return new DomainError("illegal_transition", endedMessage(job));
    case "stale_lease":
      return new DomainError("stale_lease", "the task is leased to another attempt");
    case "no_final_checkpoint":
      return new DomainError("no_final_checkpoint", "the final checkpoint is not committed");
    case "illegal":
      return new DomainError("illegal_transition", `this cannot be done to a job that is ${job.status}`);
  }
}
