/** Environments, training sessions with their uploads, and runs, bound to their ports. */
import type { Ports } from "./ports";
import { sessionStatus } from "../domain/training-sessions";
import { buildSession } from "../services/build-session";
import type { EnvironmentServices } from "../services/environment-services";
import * as environments from "../services/environments";
import { importRuns } from "../services/import-runs";
import { runInteraction, type Models } from "../services/run-interaction";
import * as runs from "../services/runs";
import type { Services } from "../services/services";
import { chooseSessionDataset, sessionDataUrl } from "../services/session-data";
import type { SessionUploadServices } from "../services/session-upload-services";
import * as sessionUploads from "../services/session-uploads";
import { cancelSession, jobAtItsEnd, startSession } from "../services/start-session";
import type { TrainingServices } from "../services/training-services";
import * as trainingSessions from "../services/training-sessions";

export function environmentServices(p: Ports) {
  return {
    createEnvironment: (principal, environment) => environments.createEnvironment(p, principal, environment),
    listEnvironments: (principal, ofAccount) => environments.listEnvironments(p, principal, ofAccount),
    updateEnvironment: (principal, environment, changes) =>
      environments.updateEnvironment(p, principal, environment, changes),
  } satisfies EnvironmentServices;
}

export function trainingServices(p: Ports) {
  return {
    createSession: (principal, session) => trainingSessions.createSession(p, principal, session),
    listSessions: (principal, status, page) => trainingSessions.listSessions(p, principal, status, page),
    listSessionNames: (principal, status, page) => trainingSessions.listSessionNames(p, principal, status, page),
    sessionStatusOf: (session) => sessionStatus(session, p.clock.nowMs()),
    sessionRunIds: (session) => p.trainingSessions.runIds(session.id),
    sessionRuns: (session, page) => p.runs.ofSession(session.id, page),
    addSessionRuns: (principal, session, runIds) => trainingSessions.addSessionRuns(p, principal, session, runIds),
    buildSession: (principal, session) => buildSession(p, principal, session),
    sessionDataUrl: (session, origin) => sessionDataUrl(p, session, origin),
    chooseSessionDataset: (principal, session, name) => chooseSessionDataset(p, principal, session, name),
    startSession: (principal, session) => startSession(p, principal, session),
    cancelSession: (principal, session) => cancelSession(p, principal, session),
    jobAtItsEnd: (job) => jobAtItsEnd(p, job),
  } satisfies TrainingServices;
}

export function sessionUploadServices(p: Ports) {
  return {
    sessionUploadUrl: (session, resumable, origin) => sessionUploads.sessionUploadUrl(p, session, resumable, origin),
    beginSessionUpload: (token, file) => sessionUploads.beginSessionUpload(p, token, file),
    receiveSessionUpload: (token, sent) => sessionUploads.receiveSessionUpload(p, token, sent),
  } satisfies SessionUploadServices;
}

export function runServices(p: Ports, models: Models) {
  return {
    importRuns: (principal, chunks) => importRuns(p, principal, chunks),
    listRuns: (principal, filter, page) => p.runs.list(principal, filter, page),
    findRuns: (principal, filter, page) => runs.findRuns(p, principal, filter, page),
    runFacets: (principal, filter, facets) => p.runs.facets(principal, filter, facets),
    getRun: (principal, id) => runs.getRun(p, principal, id),
    runReferences: (principal, run) => runs.runReferences(p, principal, run),
    cloneRun: (principal, id, workflow) => runs.cloneRun(p, principal, id, workflow),
    runInteraction: (principal, interaction) => runInteraction(p, models, principal, interaction),
  } satisfies Partial<Services>;
}
