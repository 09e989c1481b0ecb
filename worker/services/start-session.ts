/** Trains a session: one job for however many ask at once; cancels it, and waits for its end. */
import { actorOf, type Principal } from "../domain/accounts";
import { SESSION_METHOD } from "../domain/environment-models";
import { DomainError, invalid } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { jobDefaultsOf, mergedDefaults } from "../domain/job-defaults";
import { isTerminal } from "../domain/job-state";
import type { AccountStore, EnvironmentStore, TrainingSessionStore } from "../domain/ports";
import { sessionStatus, type TrainingSession } from "../domain/training-sessions";
import { cancelJob } from "./control-job";
import { datasetFromUpload, type DatasetFromUploadPorts } from "./dataset-from-upload";
import type { Idempotency, JobRequest } from "./services";
import type { CreatePorts } from "./create-job";
import type { SpecPorts } from "./job-spec";
import { submitJob } from "./submit-job";
import { cannotChange, usableEnvironment } from "./training-sessions";

export interface StartPorts extends SpecPorts, CreatePorts, DatasetFromUploadPorts {
  trainingSessions: TrainingSessionStore;
  environments: EnvironmentStore;
  accounts: AccountStore;
  sha256Hex: (text: string) => Promise<string>;
  /** Real time. */
  pause: (ms: number) => Promise<void>;
}

/** Proxies on the way commonly end an answer that has not begun after a minute. */
export const MAX_SYNC_WAIT_MS = 50_000;
const FIRST_LOOK_MS = 250;
const MAX_BETWEEN_LOOKS_MS = 1000;

export async function startSession(
  ports: StartPorts,
  principal: Principal,
  session: TrainingSession,
): Promise<JobRecord> {
  const status = sessionStatus(session, ports.clock.nowMs());
  if (status === "building" || status === "processing" || status === "completed")
    throw await cannotChange(ports, session);
  const request = await requestOf(ports, principal, session);
  const job = await submitJob(ports, principal, request, await onceFor(ports, session));
  const change = { by: actorOf(principal), nowMs: ports.clock.nowMs() };
  if (await ports.trainingSessions.attachJob(session, job.id, change)) return job;
  const present = await ports.trainingSessions.get(session.accountId, session.id);
  // Another request of the same moment has started it: with the same key, so this is its job too.
  if (present?.jobId === job.id) return job;
  await cancelJob(ports, job);
  throw await cannotChange(ports, session);
}

/** Two that read the session as it is now make one job; after any change of it, a start makes another. */
async function onceFor(ports: StartPorts, { id, updatedAtMs }: TrainingSession): Promise<Idempotency> {
  const key = `${id}.${String(updatedAtMs)}`;
  return { key, route: "startSession", requestSha256: await ports.sha256Hex(key) };
}

async function requestOf(ports: StartPorts, principal: Principal, session: TrainingSession): Promise<JobRequest> {
  const [environment, project, datasetId] = await Promise.all([
    usableEnvironment(ports, principal, session.environmentId),
    ports.accounts.getProject(principal.accountId, principal.projectId),
    trainable(ports, principal, session),
  ]);
  const ofProject = jobDefaultsOf(project?.configuration ?? null);
  const { hyperparameters = {}, ...asked } = mergedDefaults(ofProject, jobDefaultsOf(environment.config));
  return {
    method: SESSION_METHOD,
    baseModel: session.model,
    datasetId,
    functions: [],
    hyperparameters,
    outputName: session.name,
    ...asked,
  };
}

/** The dataset's id; an upload that is none yet has another look at its rows, which names the line that is wrong. */
async function trainable(ports: StartPorts, principal: Principal, { datasetId }: TrainingSession): Promise<string> {
  if (datasetId === null) throw invalid("dataset", "the session has no data: build it, upload it or choose a dataset");
  if (await ports.datasets.get(principal.accountId, datasetId)) return datasetId;
  const upload = await ports.uploads.get(principal.accountId, datasetId);
  if (upload?.state !== "completed") {
    throw invalid("dataset", "the session's data is gone: build it again, upload it or choose a dataset");
  }
  return (await datasetFromUpload(ports, principal, { uploadId: datasetId, name: undefined })).id;
}

export async function cancelSession(
  ports: StartPorts,
  principal: Principal,
  session: TrainingSession,
): Promise<JobRecord> {
  const job = session.jobId === null ? null : await ports.jobs.get(principal.accountId, session.jobId);
  if (!job) throw new DomainError("not_cancellable", "the session has no job");
  return cancelJob(ports, job);
}

export async function jobAtItsEnd(
  { jobs, clock, pause }: Pick<StartPorts, "jobs" | "clock" | "pause">,
  job: JobRecord,
): Promise<JobRecord> {
  const untilMs = clock.nowMs() + MAX_SYNC_WAIT_MS;
  let present = job;
  for (let lookMs = FIRST_LOOK_MS; !isTerminal(present.status) && clock.nowMs() < untilMs; lookMs *= 2) {
    await pause(Math.min(lookMs, MAX_BETWEEN_LOOKS_MS, untilMs - clock.nowMs()));
    const read = await jobs.get(job.accountId, job.id);
    if (!read) return present;
    present = read;
  }
  return present;
}
