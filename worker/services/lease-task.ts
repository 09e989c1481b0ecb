/** An agent asks for work: candidates by index, the job's object decides, and the answer has all that the agent needs. */
import type { ClaimRequest, Lease } from "../../protocol";
import type { AgentPrincipal, SlotOffer } from "../domain/agents";
import { DomainError } from "../domain/errors";
import type { Faults } from "../domain/faults";
import { slotFits, slotOffers, taskNeeds } from "../domain/gpu";
import { leaseId } from "../domain/ids";
import type { JobRecord } from "../domain/job";
import type { JobCommand } from "../domain/job-state";
import type { AgentDirectory, AgentStore, ClaimedTask, JobDoors, Settings, SpecStore } from "../domain/ports";
import { leaseInputs, type InputPorts } from "./lease-inputs";
import { servesEngine } from "./serves-engine";
import { transitionId } from "./transition-id";

/** So many queued tasks are looked at, and so few tried: agents that ask together seldom collide. */
const CANDIDATES = 20;
const TRIES = 4;

/** Quotas of a job's log (design/authority.md) and bounds on user code (design/security.md). */
const LOG_BYTES = 1024 ** 3;
const LOG_BYTES_PER_SECOND = 256 * 1024;
const USER_CODE = { timeout_seconds: 60, memory_bytes: 2 * 1024 ** 3, output_bytes: 1024 ** 2 };

export interface LeasePorts extends InputPorts {
  agents: AgentStore;
  directory: AgentDirectory;
  doors: JobDoors;
  specs: SpecStore;
  settings: Settings;
  random: () => number;
  faults: Faults;
}

export async function leaseTask(
  ports: LeasePorts,
  agent: AgentPrincipal,
  request: ClaimRequest,
  origin: string,
): Promise<Lease | null> {
  const record = await ports.agents.get(agent.agentId);
  if (!record || record.revokedAtMs !== null) throw new DomainError("unauthenticated", "this agent was revoked");
  const offers = slotOffers(record.info, request.free_slots);
  let claimed =
    (await repeatedClaim(ports, agent, request.claim_id, offers)) ??
    (await tryClaim(ports, agent, request.claim_id, offers, request.task_id ?? null));
  if (!claimed) {
    await ports.directory.setIdle(agent, offers);
    // A job that was created before the idle row was there has found no one: look once more.
    claimed = await tryClaim(ports, agent, request.claim_id, offers, null);
  }
  if (!claimed && request.wait_ms > 0) {
    const woken = await ports.directory.awaitWake(agent.agentId, request.wait_ms);
    if (woken !== null) claimed = await tryClaim(ports, agent, request.claim_id, offers, woken);
  }
  if (!claimed) return null;
  await ports.faults.at("claim_committed");
  await ports.directory.setIdle(agent, offersAfter(offers, claimed.offer, claimed.task.job));
  return leaseOrGiveUp(ports, claimed.task, claimed.offer, origin);
}

/** Serve tasks share their slot; any other has its own. */
function offersAfter(offers: SlotOffer[], taken: SlotOffer, { spec }: JobRecord): SlotOffer[] {
  const others = offers.filter((offer) => offer.slot.id !== taken.slot.id);
  const leftBytes = (taken.serveBytes ?? 0) - (spec.serve?.memory_bytes ?? 0);
  return taken.serveBytes === null || leftBytes <= 0 ? others : [...others, { ...taken, serveBytes: leftBytes }];
}

/** A task whose inputs are gone is given up for this attempt; the agent is only told that there is nothing to do. */
async function leaseOrGiveUp(
  ports: LeasePorts,
  task: ClaimedTask,
  offer: SlotOffer,
  origin: string,
): Promise<Lease | null> {
  try {
    const lease = await toLease(ports, task, offer, origin);
    const { test } = lease.inputs;
    if (!test?.is_trained || test.untested.length > 0) return lease;
    await completeAtOnce(ports, task.job);
    return null;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const { id, task: held } = task.job;
    const { epoch } = held;
    const command: JobCommand = { type: "lose", epoch, reason: "setup_failed", message: error.message, logTail: [] };
    await ports.doors.of(id).command(command, `unleasable ${String(epoch)}`);
    return null;
  }
}

/** All that was still to be tested has proved bad since the job was queued: there is nothing left to do. */
async function completeAtOnce(ports: LeasePorts, { id, task, finalCheckpointId }: JobRecord): Promise<void> {
  const { epoch } = task;
  const final = finalCheckpointId === null ? null : await ports.checkpoints.get(id, finalCheckpointId);
  const step = final?.step ?? 0;
  const door = ports.doors.of(id);
  await door.command({ type: "start", epoch, resumedFromStep: step }, `nothing left ${String(epoch)}`);
  await door.command({ type: "complete", epoch, step }, `nothing left ${String(epoch)}`);
}

/** The lease that this claim id got before, when its answer was lost: such a task is queued no more. */
async function repeatedClaim(
  ports: LeasePorts,
  agent: AgentPrincipal,
  claimId: string,
  offers: SlotOffer[],
): Promise<{ task: ClaimedTask; offer: SlotOffer } | null> {
  for (const jobId of await ports.jobs.heldBy(agent.agentId)) {
    const tid = await transitionId(jobId, "claim", `${agent.agentId} ${claimId}`);
    const job = (await ports.jobs.committed(jobId, tid)) ? await ports.jobs.load(jobId) : null;
    const offer = job && fittingOffer(ports, agent, job, offers);
    const task = offer && (await claim(ports, agent, claimId, job, offer));
    if (task) return { task, offer };
  }
  return null;
}

async function tryClaim(
  ports: LeasePorts,
  agent: AgentPrincipal,
  claimId: string,
  offers: SlotOffer[],
  hint: string | null,
): Promise<{ task: ClaimedTask; offer: SlotOffer } | null> {
  const found = await ports.jobs.claimable(agent, offers, ports.settings.substituteGpus, CANDIDATES);
  const others = found.filter((id) => id !== hint);
  // The oldest few in a random order; the one that the agent was woken for comes first.
  const few = others
    .map((id) => ({ id, at: ports.random() }))
    .sort((a, b) => a.at - b.at)
    .slice(0, TRIES)
    .map(({ id }) => id);
  for (const jobId of hint === null ? few : [hint, ...few]) {
    const job = await ports.jobs.load(jobId);
    const offer = job && fittingOffer(ports, agent, job, offers);
    if (!offer || (await servesEngine(ports, agent.agentId, job))) continue;
    const task = await claim(ports, agent, claimId, job, offer);
    if (task) return { task, offer };
  }
  return null;
}

function fittingOffer(
  ports: LeasePorts,
  agent: AgentPrincipal,
  job: JobRecord,
  offers: SlotOffer[],
): SlotOffer | undefined {
  if (agent.accountId !== null && agent.accountId !== job.accountId) return undefined;
  if (job.spec.provider !== null && job.spec.provider !== "local") return undefined;
  return offers.find((offer) => slotFits(offer, taskNeeds(job), ports.settings.substituteGpus));
}

/** null when another agent was quicker. */
async function claim(
  ports: LeasePorts,
  agent: AgentPrincipal,
  claimId: string,
  job: JobRecord,
  offer: SlotOffer,
): Promise<ClaimedTask | null> {
  const genuine = slotFits(offer, taskNeeds(job), false);
  const substitutedBy = genuine ? null : (offer.gpuType ?? "CPU");
  const command = {
    type: "claim",
    agentId: agent.agentId,
    provider: "local",
    gpu: job.spec.gpu,
    substitutedBy,
  } as const;
  try {
    return await ports.doors.of(job.id).claim(agent.agentId, claimId, command);
  } catch (error) {
    const lostRace =
      error instanceof DomainError &&
      ["illegal_transition", "not_cancellable", "stale_lease", "unavailable"].includes(error.code);
    if (lostRace) return null;
    throw error;
  }
}

async function toLease(ports: LeasePorts, claimed: ClaimedTask, offer: SlotOffer, origin: string): Promise<Lease> {
  const { job, expiresAtMs, logBytes } = claimed;
  const { settings } = ports;
  const [spec, inputs] = await Promise.all([ports.specs.read(job), leaseInputs(ports, job, origin)]);
  return {
    lease_id: leaseId(job.task.id, job.task.epoch),
    task_id: job.task.id,
    kind: job.task.kind,
    job_id: job.id,
    epoch: job.task.epoch,
    attempt: job.task.attempt,
    slot_id: offer.slot.id,
    expires_at_ms: expiresAtMs,
    heartbeat_ms: settings.heartbeatMs,
    lease_ms: settings.leaseMs,
    spec,
    base_model: job.spec.base_model,
    inputs,
    limits: {
      resume_interval_ms: settings.resumeIntervalMs,
      log_bytes: Math.max(0, LOG_BYTES - logBytes),
      log_bytes_per_second: LOG_BYTES_PER_SECOND,
      user_code: USER_CODE,
    },
  };
}
