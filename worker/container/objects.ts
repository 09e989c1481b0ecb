/** What lives in the Durable Objects: streams over their storage, and the services that run there. */
import { clock, ports } from "./ports";
import { loggable } from "../domain/errors";
import { NO_FAULTS, type Faults } from "../domain/faults";
import type { JobRecord } from "../domain/job";
import type { Later } from "../domain/ports";
import type { Env } from "../env";
import { checkpointVerdict } from "../services/checkpoint-verdict";
import { claimTask } from "../services/claim-task";
import { TaskCheckpoints } from "../services/commit-checkpoint";
import { finishTask, releaseTask } from "../services/finish-task";
import { JobDoor } from "../services/job-door";
import { offerJob } from "../services/offer-job";
import { TaskReports } from "../services/report-task";
import { UploadSession } from "../services/upload-session";
import { D1AgentStore } from "../stores/agent-store";
import { R2BlobStore } from "../stores/blob-store";
import { databases } from "../stores/database";
import { digestStream, RunningDigest } from "../stores/digests";
import { R2PartStore } from "../stores/part-store";
import { D1UploadStore } from "../stores/upload-store";
import { Archive, FILE_BYTES } from "../streams/archive";
import { EventLog } from "../streams/event-log";
import { IntentRow } from "../streams/intent-row";
import { ObjectJobLocal } from "../streams/job-local";
import { leaveAgain, MAX_UNSEALED_BYTES, StreamKeeper } from "../streams/keeper";
import { Lanes } from "../streams/lanes";
import { LeaseRow } from "../streams/lease-row";
import { Meta } from "../streams/meta";
import { MetricStore } from "../streams/metric-store";
import { migrate } from "../streams/schema";
import { SealedReader } from "../streams/sealed-reader";
import { Sealer, SEGMENT_BYTES, type SealerParts } from "../streams/sealer";
import { Subscribers } from "../streams/subscribers";
import { timerScheduler } from "../streams/timer-scheduler";
import { Timers } from "../streams/timers";
import { UploadRows } from "../streams/upload-rows";

export type JobObjectParts = ReturnType<typeof jobObjectParts>;

/** What lives in a job's object; only tests give `faults`. */
export function jobObjectParts(ctx: DurableObjectState, env: Env, jobId: string, faults: Faults = NO_FAULTS) {
  const later: Later = (work) => {
    ctx.waitUntil(work.catch((error: unknown) => console.error("work after an answer failed", jobId, loggable(error))));
  };
  const p = ports(env, later, faults);
  const { storage } = ctx;
  migrate(storage);
  const log = new EventLog(storage);
  const meta = new Meta(storage);
  const timers = new Timers(storage);
  const { subscribers, archive, keeper } = streamUpkeep({ storage, jobId, log, meta, timers, blobs: p.blobs });
  const local = new ObjectJobLocal({
    ...{ storage, log, meta, timers, subscribers, keeper },
    metrics: new MetricStore(storage),
    lanes: new Lanes(storage),
    leases: new LeaseRow(storage),
    intents: new IntentRow(storage),
    nowMs: () => clock.nowMs(),
  });
  const { leaseMs, substituteGpus } = p.settings;
  const offer = (job: JobRecord) =>
    offerJob({ agents: p.agents, jobs: p.jobs, directory: p.directory, substituteGpus }, job);
  const door = new JobDoor({ ...p, jobId, local, agents: p.directory, offer, leaseMs });
  const reports = new TaskReports({ ...p, jobId, local, door, leaseMs });
  return {
    ...{ local, door, reports, archive, keeper },
    checkpoints: new TaskCheckpoints({ ...p, jobId, door, reports }),
    verdict: checkpointVerdict.bind(null, { ...p, jobId, local }),
    claim: claimTask.bind(null, { local, door }),
    finish: finishTask.bind(null, { local, door, reports }),
    release: releaseTask.bind(null, { local, door, reports }),
    rearm: async () => {
      const next = timers.next();
      if (next !== null) await storage.setAlarm(next);
    },
  };
}

/** What moves a stream's older part to R2, and all of it some days after its end. */
function streamUpkeep(parts: Omit<SealerParts, "segmentBytes"> & { meta: Meta; timers: Timers }) {
  const { storage, log, timers, blobs } = parts;
  const nowMs = () => clock.nowMs();
  const subscribers = new Subscribers(log, new SealedReader(storage, blobs), timerScheduler);
  const sealer = new Sealer({ ...parts, segmentBytes: SEGMENT_BYTES });
  const archive = new Archive({
    ...{ ...parts, sealer, fileBytes: FILE_BYTES },
    hasListeners: () => subscribers.hasListeners,
    onBack: () => leaveAgain(timers, nowMs()),
  });
  const maxUnsealedBytes = MAX_UNSEALED_BYTES;
  const keeper = new StreamKeeper({ log, timers, sealer, archive, nowMs, maxUnsealedBytes });
  return { subscribers, archive, keeper };
}

/** The object's own small facts. */
export function objectMeta(ctx: DurableObjectState): Meta {
  migrate(ctx.storage);
  return new Meta(ctx.storage);
}

export type UploadObjectParts = ReturnType<typeof uploadObjectParts>;

/** What lives in an upload's object. */
export function uploadObjectParts(ctx: DurableObjectState, env: Env) {
  const rows = new UploadRows(ctx.storage);
  const uploads = new D1UploadStore(databases(env.DB));
  const session = new UploadSession({
    uploads,
    local: rows,
    parts: new R2PartStore(env.BUCKET),
    blobs: new R2BlobStore(env.BUCKET),
    newDigest: () => new RunningDigest("sha256"),
    digestOf: digestStream,
  });
  return { rows, uploads, session };
}

/** What an agent's object needs of D1. */
export function agentObjectParts(env: Env) {
  return { agents: new D1AgentStore(databases(env.DB)), clock };
}
