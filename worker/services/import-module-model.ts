/** Brings a model into the deployment's storage: what the session then trains, and what it is given back. */
import { DomainError } from "../domain/errors";
import { checkModel, METHOD_OF_TASK_TYPE, translated } from "../domain/module-config";
import type { ModuleTaskType } from "../domain/module-sessions";
import { importMessage, importState } from "../domain/module-state";
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
    checkModel(name, method);
    return submitJob(
      ports,
      inProjectOf(session, call.principal),
      request,
      await idempotencyOf(ports, session, request),
    );
  });
  const view = await attach(ports, session, "import", job, { importedModel: name });
  return { ...view, message: importMessage(taskOf(job)) };
}

async function inWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error, WORDS);
  }
}
