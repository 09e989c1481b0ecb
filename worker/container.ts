/** The only place that builds things: env → stores, streams, queue, clock, ids → services. */
import { NO_FAULTS, type Faults } from "./domain/faults";
import { newId } from "./domain/ids";
import type { JobRecord } from "./domain/job";
import type { Clock, Ids, Later } from "./domain/ports";
import { parseLeaseId } from "./domain/ids";
import { DomainError, loggable } from "./domain/errors";
import { configOf, type Env } from "./env";
import { ObjectAgentDirectory, ObjectJobDoors, ObjectUploadSessions } from "./objects/doors";
import { WorkerDispatchQueue } from "./queues/dispatch";
import { WorkerVerifyQueue } from "./queues/verify";
import * as accounts from "./services/accounts";
import * as agents from "./services/agents";
import { authenticate } from "./services/authenticate";
import { buildSession } from "./services/build-session";
import { checkpointVerdict } from "./services/checkpoint-verdict";
import { claimTask } from "./services/claim-task";
import { TaskCheckpoints } from "./services/commit-checkpoint";
import * as control from "./services/control-job";
import * as functions from "./services/create-function";
import { datasetFromUpload } from "./services/dataset-from-upload";
import * as deletion from "./services/delete-record";
import { downloadBlob } from "./services/download-blob";
import { artifactResponse, artifactUrl } from "./services/final-artifact";
import { importRuns } from "./services/import-runs";
import * as environments from "./services/environments";
import { finishTask, releaseTask } from "./services/finish-task";
import { JobDoor } from "./services/job-door";
import { importModuleModel } from "./services/import-module-model";
import { jobProgress } from "./services/job-progress";
import { issueToken } from "./services/issue-token";
import * as queries from "./services/job-queries";
import { leaseTask } from "./services/lease-task";
import { getCheckpoint, modelArchive, modelDownload } from "./services/model-download";
import * as moduleConfig from "./services/configure-module";
import * as moduleResults from "./services/module-results";
import type { ModuleServices } from "./services/module-services";
import { moduleStatus } from "./services/module-session";
import * as moduleTasks from "./services/module-tasks";
import { offerJob } from "./services/offer-job";
import { authenticateOpen } from "./services/open-account";
import { renewedToken, TaskReports } from "./services/report-task";
import { retryJob } from "./services/retry-job";
import * as runs from "./services/runs";
import type { EnvironmentServices } from "./services/environment-services";
import type { Services } from "./services/services";
import type { TrainingServices } from "./services/training-services";
import { chooseSessionDataset, sessionDataUrl } from "./services/session-data";
import { cancelSession, jobAtItsEnd, startSession } from "./services/start-session";
import type { SessionUploadServices } from "./services/session-upload-services";
import * as sessionUploads from "./services/session-uploads";
import { startModuleSession } from "./services/start-module-session";
import { submitJob } from "./services/submit-job";
import { sweep, tickJob } from "./services/sweep";
import { sweepBytes } from "./services/sweep-bytes";
import { sweepDeleted } from "./services/sweep-deleted";
import { evalResults, trainingInfo } from "./services/task-results";
import type { TaskServices } from "./services/task-services";
import { testedCheckpoints } from "./services/tested-checkpoints";
import { moduleDataFromUploads, uploadModuleData } from "./services/upload-module-data";
import * as trainingSessions from "./services/training-sessions";
import * as datasets from "./services/upload-dataset";
import { UploadSession } from "./services/upload-session";
import * as uploads from "./services/uploads";
import { verifyCheckpoint } from "./services/verify-checkpoint";
import { D1AccountStore } from "./stores/account-store";
import { D1AgentStore } from "./stores/agent-store";
import { D1CheckpointStore, D1DatasetStore, D1FunctionStore } from "./stores/artifact-stores";
import { D1BegunStore } from "./stores/begun-store";
import { R2BlobStore } from "./stores/blob-store";
import { databases } from "./stores/database";
import { D1DeletionStore } from "./stores/deletion-store";
import { digestStream, md5Base64, RunningDigest, sha256Hex, toHex } from "./stores/digests";
import { D1EnvironmentStore } from "./stores/environment-store";
import { D1JobStore } from "./stores/job-store";
import { JwtKeys } from "./stores/jwt-keys";
import { JoseJwts } from "./stores/jwts";
import { D1KeyStore } from "./stores/key-store";
import { R2ManifestStore } from "./stores/manifest-store";
import { HmacModuleKeys } from "./stores/module-keys";
import { D1ModuleSessionStore } from "./stores/module-session-store";
import { R2MultipartStore } from "./stores/multipart-store";
import { R2PartStore } from "./stores/part-store";
import { D1RunStore } from "./stores/run-store";
import { SecretBox } from "./stores/secret-box";
import { R2SpecStore } from "./stores/spec-store";
import { D1SigningKeyStore } from "./stores/signing-key-store";
import { SignedTokens } from "./stores/signed-tokens";
import { AgentTokenSigner, UploadUrlSigner, WorkerUrlSigner } from "./stores/signers";
import { sessionStatus } from "./domain/training-sessions";
import { D1TrainingSessionStore } from "./stores/training-session-store";
import { D1UploadStore } from "./stores/upload-store";
import { Archive, FILE_BYTES } from "./streams/archive";
import { EventLog } from "./streams/event-log";
import { IntentRow } from "./streams/intent-row";
import { ObjectJobLocal } from "./streams/job-local";
import { leaveAgain, MAX_UNSEALED_BYTES, StreamKeeper } from "./streams/keeper";
import { Lanes } from "./streams/lanes";
import { LeaseRow } from "./streams/lease-row";
import { Meta } from "./streams/meta";
import { MetricStore } from "./streams/metric-store";
import { migrate } from "./streams/schema";
import { SealedReader } from "./streams/sealed-reader";
import { Sealer, SEGMENT_BYTES, type SealerParts } from "./streams/sealer";
import { Subscribers } from "./streams/subscribers";
import { timerScheduler } from "./streams/timer-scheduler";
import { Timers } from "./streams/timers";
import { UploadRows } from "./streams/upload-rows";

const clock: Clock = { nowMs: () => Date.now() };

const ids: Ids = {
  next: () => newId(clock.nowMs()),
  randomHex: (bytes) => toHex(crypto.getRandomValues(new Uint8Array(bytes))),
};

const jwtsByEnv = new WeakMap<Env, JoseJwts>();

/** One for an isolate: it keeps the keys that it has read. */
function jwtsOf(env: Env): JoseJwts {
  const known = jwtsByEnv.get(env);
  if (known) return known;
  const { signingKey, audience, outsideIssuer } = configOf(env);
  const keys = new JwtKeys(new D1SigningKeyStore(databases(env.DB)), new SecretBox(signingKey), clock);
  const made = new JoseJwts(keys, clock, audience, outsideIssuer);
  jwtsByEnv.set(env, made);
  return made;
}

/** Everything that stands behind the services' ports. */
function ports(env: Env, later: Later, faults: Faults) {
  const config = configOf(env);
  const dbs = databases(env.DB);
  const tokens = new SignedTokens(config.signingKey);
  const blobs = new R2BlobStore(env.BUCKET);
  return {
    accounts: new D1AccountStore(dbs),
    keys: new D1KeyStore(dbs),
    jwts: jwtsOf(env),
    datasets: new D1DatasetStore(dbs),
    functions: new D1FunctionStore(dbs),
    jobs: new D1JobStore(dbs),
    checkpoints: new D1CheckpointStore(dbs),
    begun: new D1BegunStore(dbs),
    deletions: new D1DeletionStore(dbs),
    agents: new D1AgentStore(dbs),
    environments: new D1EnvironmentStore(dbs),
    trainingSessions: new D1TrainingSessionStore(dbs),
    uploads: new D1UploadStore(dbs),
    runs: new D1RunStore(dbs),
    moduleSessions: new D1ModuleSessionStore(dbs),
    moduleKeys: new HmacModuleKeys(config.signingKey),
    sessions: new ObjectUploadSessions(env.UPLOAD),
    newDigest: () => new RunningDigest("sha256"),
    digestOf: digestStream,
    md5Of: md5Base64,
    blobs,
    multipart: new R2MultipartStore(env.BUCKET),
    manifests: new R2ManifestStore(blobs),
    specs: new R2SpecStore(blobs),
    urls: new WorkerUrlSigner(tokens, clock),
    uploadUrls: new UploadUrlSigner(tokens, clock),
    tokens: new AgentTokenSigner(tokens, clock),
    queue: new WorkerDispatchQueue(env.DISPATCH),
    verifyQueue: new WorkerVerifyQueue(env.VERIFY),
    doors: new ObjectJobDoors(env.JOB),
    directory: new ObjectAgentDirectory(env.AGENT),
    settings: config.settings,
    secrets: new SecretBox(config.signingKey),
    pause: (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms)),
    random: () => Math.random(),
    ...{ clock, ids, later, faults, sha256Hex },
  };
}

/** The use-cases, for the edges. `later` is the request's `waitUntil`; only tests give `faults`. */
export function services(env: Env, later: Later, faults: Faults = NO_FAULTS): Services {
  const p = ports(env, later, faults);
  return {
    authenticate: (key, scope, read) => authenticate(p, key, scope, read),
    ...accountServices(p),
    ...artifactServices(p),
    ...environmentServices(p),
    ...trainingServices(p),
    ...sessionUploadServices(p),
    ...jobServices(p),
    ...taskServices(p),
    ...agentServices(p),
    ...runServices(p),
    ...moduleServices(p),
    ...tokenServices(p),
    download: (token, request) => downloadBlob(p, token, request),
    tickJob: (jobId) => tickJob(p, jobId),
    sweep: () => sweep(p),
    sweepBytes: () => sweepBytes(p),
    sweepDeleted: () => sweepDeleted(p),
    verifyCheckpoint: (message) => verifyCheckpoint(p, message),
  };
}

type Ports = ReturnType<typeof ports>;

function accountServices(p: Ports) {
  return {
    createAccount: (name) => accounts.createAccount(p, name),
    listAccounts: (page) => accounts.listAccounts(p, page),
    createProject: (principal, name, more) => accounts.createProject(p, principal, name, more),
    updateProject: (principal, project, changes) => accounts.updateProject(p, principal, project, changes),
    nextProjectName: (principal, stem) => accounts.nextProjectName(p, principal, stem),
    listProjects: (principal, page) => accounts.listProjects(p, principal, page),
    getProject: (principal, id) => accounts.getProject(p, principal, id),
    deleteProject: (principal, project) => deletion.deleteProject(p, principal, project),
    createKey: (principal, name, prefix, scopes) => accounts.createKey(p, principal, name, prefix, scopes),
    listKeys: (principal, page) => accounts.listKeys(p, principal, page),
    revokeKey: (principal, id) => accounts.revokeKey(p, principal, id),
  } satisfies Partial<Services>;
}

function environmentServices(p: Ports) {
  return {
    createEnvironment: (principal, environment) => environments.createEnvironment(p, principal, environment),
    listEnvironments: (principal, ofAccount) => environments.listEnvironments(p, principal, ofAccount),
    updateEnvironment: (principal, environment, changes) =>
      environments.updateEnvironment(p, principal, environment, changes),
  } satisfies EnvironmentServices;
}

function trainingServices(p: Ports) {
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

function artifactServices(p: Ports) {
  return {
    createUpload: (principal, upload) => uploads.createUpload(p, principal, upload),
    listUploads: (principal, page) => uploads.listUploads(p, principal, page),
    uploadStatus: (upload) => uploads.uploadStatus(p, upload),
    receiveUpload: (upload, sent) => uploads.receiveUpload(p, upload, sent),
    completeUpload: (upload, sha256) => uploads.completeUpload(p, upload, sha256),
    abortUpload: (upload) => uploads.abortUpload(p, upload),
    datasetFromUpload: (principal, request) => datasetFromUpload(p, principal, request),
    uploadDataset: (principal, upload) => datasets.uploadDataset(p, principal, upload),
    getDataset: (principal, id) => datasets.getDataset(p, principal, id),
    listDatasets: (principal, page, filter) => datasets.listDatasets(p, principal, page, filter),
    deleteDataset: (dataset) => deletion.deleteDataset(p, dataset),
    datasetDownload: (dataset, origin) => datasets.datasetDownload(p, dataset, origin),
    createFunction: (principal, fn) => functions.createFunction(p, principal, fn),
    getFunction: (principal, id) => functions.getFunction(p, principal, id),
    listFunctions: (principal, page) => functions.listFunctions(p, principal, page),
    deleteFunction: (fn) => deletion.deleteFunction(p, fn),
    listTestFunctions: (principal) => functions.listTestFunctions(p, principal),
    findTestFunction: (principal, name) => functions.findTestFunction(p, principal, name),
  } satisfies Partial<Services>;
}

function sessionUploadServices(p: Ports) {
  return {
    sessionUploadUrl: (session, resumable, origin) => sessionUploads.sessionUploadUrl(p, session, resumable, origin),
    beginSessionUpload: (token, file) => sessionUploads.beginSessionUpload(p, token, file),
    receiveSessionUpload: (token, sent) => sessionUploads.receiveSessionUpload(p, token, sent),
  } satisfies SessionUploadServices;
}

function jobServices(p: Ports) {
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

function taskServices(p: Ports) {
  return {
    getTask: (principal, id) => queries.getTask(p, principal, id),
    evalResults: (job) => evalResults(p, job),
    trainingInfo: (job) => trainingInfo(p, job),
    artifactResponse: (job, role, filename, request) => artifactResponse(p, job, role, filename, request),
    artifactUrl: (job, role, filename, origin) => artifactUrl(p, job, role, filename, origin),
  } satisfies TaskServices;
}

function tokenServices(p: Ports) {
  return {
    issueToken: (request) => issueToken(p, request),
    publicKeys: () => p.jwts.publicKeys(),
    rotateKeys: () => p.jwts.rotate(),
  } satisfies Partial<Services>;
}

function runServices(p: Ports) {
  return {
    importRuns: (principal, chunks) => importRuns(p, principal, chunks),
    listRuns: (principal, filter, page) => p.runs.list(principal, filter, page),
    findRuns: (principal, filter, page) => runs.findRuns(p, principal, filter, page),
    runFacets: (principal, filter, facets) => p.runs.facets(principal, filter, facets),
    getRun: (principal, id) => runs.getRun(p, principal, id),
    runReferences: (principal, run) => runs.runReferences(p, principal, run),
    cloneRun: (principal, id, workflow) => runs.cloneRun(p, principal, id, workflow),
  } satisfies Partial<Services>;
}

function agentServices(p: Ports) {
  const held = (leaseId: string) => {
    const lease = parseLeaseId(leaseId);
    if (!lease) throw new DomainError("not_found", "lease not found");
    return { door: p.doors.of(lease.taskId), epoch: lease.epoch };
  };
  const status = async (job: Promise<JobRecord>) => ({ status: (await job).status });
  return {
    createBootstrapToken: (accountId, options) => agents.createBootstrapToken(p, accountId, options),
    listBootstrapTokens: (principal, page) => agents.listBootstrapTokens(p, principal, page),
    listAgents: (principal, page) => agents.listAgents(p, principal, page),
    revokeAgent: (principal, id) => agents.revokeAgent(p, principal, id),
    registerAgent: (token, request) => agents.registerAgent(p, token, request),
    authenticateAgent: (token) => agents.authenticateAgent(p, token),
    connectAgent: (agent, request) => p.directory.connect(agent, request),
    leaseTask: (agent, request, origin) => leaseTask(p, agent, request, origin),
    reportTask: async (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      const answer = await door.report(agent.agentId, epoch, request);
      return request.lane === "heartbeat" ? { ...answer, ...(await renewedToken(p, agent)) } : answer;
    },
    beginCheckpoint: (agent, leaseId, request, origin) => {
      const { door, epoch } = held(leaseId);
      return door.beginCheckpoint(agent.agentId, epoch, request, origin);
    },
    putPart: async (token, body, md5Base64) => {
      const { key, uploadId, number, size } = await p.urls.verifyPart(token);
      return p.multipart.putPart(key, uploadId, number, body, size, md5Base64);
    },
    commitCheckpoint: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return door.commitCheckpoint(agent.agentId, epoch, request);
    },
    finishTask: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return status(door.finish(agent.agentId, epoch, request));
    },
    releaseTask: (agent, leaseId, request) => {
      const { door, epoch } = held(leaseId);
      return status(door.release(agent.agentId, epoch, request));
    },
  } satisfies Partial<Services>;
}

function moduleServices(p: Ports): ModuleServices {
  return {
    authenticateOpen: (read) => authenticateOpen(p, read),
    startModuleSession: (call, force) => startModuleSession(p, call, force),
    moduleStatus: (call, about) => moduleStatus(call, about),
    moduleParameters: (call) => moduleConfig.moduleParameters(p, call),
    configureModule: (call, changes) => moduleConfig.configureModule(p, call, changes),
    uploadModuleData: (call, files, maxBytes) => uploadModuleData(p, call, files, maxBytes),
    moduleDataFromUploads: (call, uploads) => moduleDataFromUploads(p, call, uploads),
    preprocessModule: (call) => moduleTasks.preprocessModule(p, call),
    startModuleTraining: (call) => moduleTasks.startModuleTraining(p, call),
    stopModuleTraining: (call, force) => moduleTasks.stopModuleTraining(p, call, force),
    importModuleModel: (call, model) => importModuleModel(p, call, model),
    monitorModule: (call) => moduleResults.monitorModule(p, call),
    moduleReady: (call) => moduleResults.moduleReady(p, call),
    downloadModuleModel: (call, request) => moduleResults.downloadModuleModel(p, call, request),
    moduleResults: (call) => moduleResults.moduleResults(p, call),
    downloadImportedModel: (call, role, request) => moduleResults.downloadImportedModel(p, call, role, request),
    importedModelUrl: (call, role, origin) => moduleResults.importedModelUrl(p, call, role, origin),
  };
}

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
  const offer = (job: JobRecord) => offerJob({ agents: p.agents, directory: p.directory, substituteGpus }, job);
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
