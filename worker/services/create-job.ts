/**
 * Writes a new job. D1 is first (it needs the idempotency key), then the object is ticked; both the message and the
 * sweep would do the same later.
 */
import type { TaskKind } from "../../protocol";
import { DomainError } from "../domain/errors";
import type { Faults } from "../domain/faults";
import type { JobRecord } from "../domain/job";
import type {
  Clock,
  DispatchQueue,
  IdempotencyRecord,
  Ids,
  JobDoors,
  JobStore,
  Later,
  SpecStore,
} from "../domain/ports";
import { DISPATCH_DELAY_SECONDS } from "./offer-job";
import type { Idempotency } from "./services";
import { transitionId } from "./transition-id";

export interface CreatePorts {
  jobs: JobStore;
  doors: JobDoors;
  queue: DispatchQueue;
  ids: Ids;
  clock: Clock;
  later: Later;
  faults: Faults;
  specs: SpecStore;
}

/** What a job is made of; everything else about it begins empty. */
export type JobOrigin = Pick<JobRecord, "accountId" | "projectId" | "spec" | "baseModel" | "retryOf" | "startJobId"> & {
  kind: TaskKind;
};

export async function createJob(
  ports: CreatePorts,
  origin: JobOrigin,
  idempotency: Idempotency | null,
): Promise<JobRecord> {
  const id = ports.ids.next();
  const kept = await ports.specs.keep(id, origin.spec);
  const job = newJob(id, ports.clock.nowMs(), { ...origin, ...kept });
  const row = idempotency && {
    accountId: job.accountId,
    ...idempotency,
    resourceId: job.id,
    createdAtMs: job.createdAtMs,
  };
  const tid = await transitionId(job.id, "create", idempotency?.key ?? job.id);
  const made = await createOnce(ports, job, tid, row, idempotency);
  await ports.faults.at("created");
  ports.later(ports.doors.of(made.id).tick());
  ports.later(ports.queue.send({ type: "tick", jobId: made.id }, DISPATCH_DELAY_SECONDS));
  return made;
}

/** The job that this key has made before; null when it is new. Throws `idempotency_mismatch` for another body. */
export async function earlierAnswer(
  ports: Pick<CreatePorts, "jobs">,
  accountId: string,
  idempotency: Idempotency,
): Promise<JobRecord | null> {
  const earlier = await ports.jobs.findIdempotent(accountId, idempotency.route, idempotency.key);
  if (!earlier) return null;
  if (earlier.requestSha256 !== idempotency.requestSha256) {
    throw new DomainError("idempotency_mismatch", "this Idempotency-Key was used with another request body");
  }
  const made = await ports.jobs.get(accountId, earlier.resourceId);
  if (made) return made;
  throw new DomainError("idempotency_mismatch", "the job that this Idempotency-Key made was deleted; use another key");
}

/** Of two equal requests at the same time, or one whose batch committed without an answer, the job that is there counts. */
async function createOnce(
  ports: CreatePorts,
  job: JobRecord,
  tid: string,
  row: IdempotencyRecord | null,
  idempotency: Idempotency | null,
): Promise<JobRecord> {
  const metadata = job.retryOf === null ? {} : { retry_of: `job_${job.retryOf}` };
  try {
    await ports.jobs.create(job, { type: "created", atMs: job.createdAtMs, metadata }, tid, row);
    return job;
  } catch (error) {
    const made = idempotency && (await earlierAnswer(ports, job.accountId, idempotency));
    if (made) return made;
    throw error;
  }
}

function newJob(id: string, nowMs: number, origin: JobOrigin & Pick<JobRecord, "specKey" | "specSha256">): JobRecord {
  const { kind, ...rest } = origin;
  const { spec } = rest;
  return {
    ...rest,
    id,
    method: spec.method,
    status: "queued",
    reason: null,
    reasonMessage: null,
    logTail: [],
    datasetId: spec.dataset_id,
    outputName: spec.output_name,
    provider: null,
    gpu: null,
    version: 0,
    lastTid: null,
    lostInARow: 0,
    finalCheckpointId: null,
    progress: 0,
    pauseRequestedAtMs: null,
    heldMs: 0,
    heldSinceMs: null,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    startedAtMs: null,
    completedAtMs: null,
    task: { id, kind, epoch: 0, attempt: 0, agentId: null },
  };
}
