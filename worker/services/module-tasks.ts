/** What a session has done for it: preprocessing and training. Each is a task like any other. */
import { DomainError } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import {
  filledConfig,
  moduleEvaluation,
  METHOD_OF_TASK_TYPE,
  moduleHyperparameters,
  PARAMETER_OF,
  translated,
  type FilledModuleConfig,
} from "../domain/module-config";
import type { ModuleSession } from "../domain/module-sessions";
import { importState, moduleState, refusal } from "../domain/module-state";
import { cancelLive } from "./control-job";
import { cachedTask, contentName } from "./module-cache";
import type { KeyedModuleCall, ModuleView } from "./module-services";
import { cancelTasks, heldSession, inProjectOf, jobOf, requireState, taskOf, viewOf } from "./module-session";
import { attach, idempotencyOf, type ModuleTaskPorts } from "./module-task";
import type { JobRequest } from "./services";
import { submitJob } from "./submit-job";

/** With a `cache_dir`, what was preprocessed from the same data for the same model is used again. */
export async function preprocessModule(ports: ModuleTaskPorts, call: KeyedModuleCall): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  requireState("preprocess", session);
  if (session.trainDatasetId === null) {
    throw new DomainError("conflict", "there is no data yet, in state 'setup'; next: POST /upload_dataset/{key}");
  }
  const config = filledConfig(session);
  const baseModel = baseOf(session, config);
  const outputName = await contentName(ports, session, config, baseModel);
  const cached = await cachedTask(ports, session, config, outputName);
  if (cached) return attach(ports, session, "preprocess", cached.job, cached.data);
  const request = { ...trainingRequest(session, config, baseModel), outputName };
  return attach(ports, session, "preprocess", await submit(ports, call, session, { ...request, kind: "preprocess" }));
}

export async function startModuleTraining(ports: ModuleTaskPorts, call: KeyedModuleCall): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  requireState("train", session);
  // An import that came in between makes no other model of it.
  const preprocessed = await jobOf(ports, session, session.preprocessJobId);
  const request = trainingRequest(session, filledConfig(session), preprocessed.baseModel);
  const job = await submit(ports, call, session, { ...request, preprocessedBy: preprocessed.id });
  return attach(ports, session, "train", job);
}

export async function stopModuleTraining(
  ports: ModuleTaskPorts,
  call: KeyedModuleCall,
  force: boolean,
): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  if (force) {
    await cancelTasks(ports, session);
    const ended = await ports.moduleSessions.end(session.id, ports.clock.nowMs());
    if (ended) await cancelTasks(ports, ended);
    return viewOf(null);
  }
  requireState("stop", session);
  await cancelLive(ports, await jobOf(ports, session, session.trainJobId));
  const stopped = { ...session, train: taskOf(await jobOf(ports, session, session.trainJobId)) };
  if (moduleState(stopped) === "stopped") return viewOf(stopped);
  // It ended by itself before it could be stopped.
  throw new DomainError("conflict", refusal("stop", stopped));
}

/** As the session's parameters have it; the model that it has imported is the import itself. */
function baseOf(session: ModuleSession, { model }: FilledModuleConfig): string {
  if (model !== session.importedModel || session.importJobId === null) return model;
  const state = importState(session.import);
  if (state === "imported") return `job_${session.importJobId}`;
  const why = `the model '${model}' is not imported: its import is in state '${state}'`;
  throw new DomainError("conflict", `${why}; GET /import_status tells more`);
}

/** What is trained; preprocessing is of the very same. */
function trainingRequest(session: ModuleSession, config: FilledModuleConfig, baseModel: string): JobRequest {
  return {
    method: METHOD_OF_TASK_TYPE[config.taskType],
    baseModel,
    datasetId: session.trainDatasetId,
    functions: [],
    hyperparameters: moduleHyperparameters(config),
    outputName: `training-module-${session.id}`,
    eval: { datasetId: session.testDatasetId, ...moduleEvaluation(config) },
  };
}

/** A task of the session's parameters and data: what is wrong with those is no fault of this request's form. */
async function submit(
  ports: ModuleTaskPorts,
  { principal }: KeyedModuleCall,
  session: ModuleSession,
  request: JobRequest,
): Promise<JobRecord> {
  const idempotency = await idempotencyOf(ports, session, request);
  try {
    return await submitJob(ports, inProjectOf(session, principal), request, idempotency);
  } catch (error) {
    const ours = translated(error, PARAMETER_OF);
    if (!(ours instanceof DomainError) || ours.detail.field === undefined) throw ours;
    const { field } = ours.detail;
    const message = ours.message.startsWith(field) ? ours.message : `${field}: ${ours.message}`;
    throw new DomainError("invalid_request", message);
  }
}
