/** Brings a model into the deployment's storage: what the session then trains, and what it is given back. */
import { DomainError } from "../domain/errors";
import { checkModel, METHOD_OF_TASK_TYPE, translated } from "../domain/module-config";
import type { ModuleChanges, ModuleSession, ModuleTaskType } from "../domain/module-sessions";
import { importMessage, importState, isAllowed } from "../domain/module-state";
import type { KeyedModuleCall, ModuleView } from "./module-services";
import { heldSession, inProjectOf, taskOf } from "./module-session";
import { attach, idempotencyOf, type ModuleTaskPorts } from "./module-task";
import type { JobRequest } from "./services";
import { submitJob } from "./submit-job";

const WORDS = { base_model: "model_name", method: "model_type" };

export async function importModuleModel(
  ports: ModuleTaskPorts,
  call: KeyedModuleCall,
  { name, taskType }: { name: string; taskType: ModuleTaskType },
): Promise<ModuleView> {
  const session = await heldSession(ports, call);
  if (importState(session.import) === "importing") {
    throw new DomainError("conflict", "a model is being imported, state 'importing'; GET /import_status tells its end");
  }
  const method = METHOD_OF_TASK_TYPE[taskType];
  const request: JobRequest = {
    ...{ kind: "import", method, baseModel: name, datasetId: null, functions: [], hyperparameters: {} },
    outputName: `training-module-${session.id}`,
  };
  const job = await inWords(async () => {
    checkModel(name, taskType);
    return submitJob(
      ports,
      inProjectOf(session, call.principal),
      request,
      await idempotencyOf(ports, session, request),
    );
  });
  const also = { importedModel: name, ...followed(session, name, taskType) };
  const view = await attach(ports, session, "import", job, also);
  return { ...view, message: importMessage(taskOf(job)) };
}

/** While a session is set up, what it trains by default is the imported model, for what it was imported. */
function followed(session: ModuleSession, name: string, taskType: ModuleTaskType): ModuleChanges {
  const { config } = session;
  const isTrained = config.model === undefined || config.model === name;
  return isAllowed("configure", session) && isTrained ? { config: { ...config, importedTaskType: taskType } } : {};
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, WORDS);
  }
}
