/** Jobs and tasks of every kind, bound to their ports. */
import type { Ports } from "./ports";
import * as control from "../services/control-job";
import * as deletion from "../services/delete-record";
import { artifactResponse, artifactUrl } from "../services/final-artifact";
import { jobProgress } from "../services/job-progress";
import * as queries from "../services/job-queries";
import { getCheckpoint, modelArchive, modelDownload } from "../services/model-download";
import { retryJob } from "../services/retry-job";
import type { Services } from "../services/services";
import { submitJob } from "../services/submit-job";
import { evalResults, trainingInfo } from "../services/task-results";
import type { TaskServices } from "../services/task-services";
import { testedCheckpoints } from "../services/tested-checkpoints";

export function jobServices(p: Ports) {
  return {
    submitJob: (principal, request, idempotency) => submitJob(p, principal, request, idempotency),
    newestSuccess: (principal, name) => queries.newestSuccess(p, principal, name),
    nextJobName: (principal, stem) => queries.nextJobName(p, principal, stem),
    jobNames: (principal, jobs) => queries.jobNames(p, principal, jobs),
    wholeJob: (job) => queries.wholeJob(p, job),
    getJob: (principal, id) => queries.getJob(p, principal, id),
    listJobs: (principal, filter, page) => queries.listJobs(p, principal, filter, page),
    deleteJob: (job) => deletion.deleteJob(p, job),
    cancelJob: (job) => control.cancelJob(p, job),
    pauseJob: (job) => control.pauseJob(p, job),
    resumeJob: (job) => control.resumeJob(p, job),
    retryJob: (job, request, idempotency) => retryJob(p, job, request, idempotency),
    jobEvents: (job, page) => queries.jobEvents(p, job, page),
    jobMetrics: (job, query) => queries.jobMetrics(p, job, query),
    jobProgress: (jobs) => jobProgress(p, jobs),
    trainingLoss: (job, maxPoints) => queries.trainingLoss(p, job, maxPoints),
    jobStream: (job, request) => queries.jobStream(p, job, request),
    modelArchive: (job, origin) => modelArchive(p, job, origin),
    modelDownload: (job, origin) => modelDownload(p, job, origin),
    listCheckpoints: (job, page) => queries.listCheckpoints(p, job, page),
    testedCheckpoints: (job, origin) => testedCheckpoints(p, job, origin),
    getCheckpoint: (job, id, origin) => getCheckpoint(p, job, id, origin),
  } satisfies Partial<Services>;
}

export function taskServices(p: Ports) {
  return {
    getTask: (principal, id) => queries.getTask(p, principal, id),
    evalResults: (job) => evalResults(p, job),
    trainingInfo: (job) => trainingInfo(p, job),
    artifactResponse: (job, role, filename, request) => artifactResponse(p, job, role, filename, request),
    artifactUrl: (job, role, filename, origin) => artifactUrl(p, job, role, filename, origin),
  } satisfies TaskServices;
}
