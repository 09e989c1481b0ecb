/** Deploying: on a given engine, whose base model and task the model has to fit, or with an engine of its own. */
import type { Principal } from "../domain/accounts";
import { checkDeploymentName, numbered } from "../domain/engine-names";
import type { DeploymentRecord, EngineRecord, ServedModel } from "../domain/engines";
import { DomainError, invalid } from "../domain/errors";
import type { DeploymentStore } from "../domain/ports";
import { insertEngine, newEngine, takenBy, type CreateEnginePorts } from "./create-engine";
import { deployableModel, type Deployable, type DeployablePorts } from "./deployable-model";
import type { DeploymentRequest, EngineRequest } from "./engine-services";

const MAX_NAMESAKES = 100;
const MAX_DESCRIPTION_CHARS = 10_000;

export interface DeployPorts extends CreateEnginePorts, DeployablePorts {
  deployments: DeploymentStore;
}

export async function deployOn(
  ports: DeployPorts,
  principal: Principal,
  engine: EngineRecord,
  request: DeploymentRequest,
): Promise<ServedModel> {
  const model = await deployableModel(ports, principal, request.model, engine.taskType);
  checkFit(engine, model);
  const record = newDeployment(ports, principal, engine, model, request);
  const deployment = await insert(ports, record, namesOf(model, request));
  try {
    await ports.engineDoors.of(engine.id).deploymentsChanged(true);
  } catch (error) {
    // The engine was deleted in the very moment: nothing would ever end what is on it.
    const isGone = error instanceof DomainError && error.code === "not_found";
    if (isGone) await ports.deployments.markDeleted(deployment.id, ports.clock.nowMs());
    throw error;
  }
  return (await ports.deployments.get(principal.accountId, deployment.id)) ?? { deployment, engine };
}

/** The engine has the deployment's id: by that it is known as the deployment's own, which ends with it. */
export async function createDeployment(
  ports: DeployPorts,
  principal: Principal,
  request: DeploymentRequest,
  wanted: Pick<EngineRequest, "management" | "gpu" | "provider" | "replicas">,
): Promise<ServedModel> {
  const model = await deployableModel(ports, principal, request.model);
  const engine = newEngine(ports, principal, { ...wanted, ...model });
  const record = { ...newDeployment(ports, principal, engine, model, request), id: engine.id };
  const names = { engine: null, stem: model.names.engine };
  const made = await insertEngine(ports, engine, names, { record, name: namesOf(model, request) });
  return { engine: made.engine, deployment: made.deployment ?? record };
}

function checkFit(engine: EngineRecord, { base, baseModel, taskType }: Deployable): void {
  if (JSON.stringify(engine.base) !== JSON.stringify(base)) {
    throw invalid("model", `the model's base is ${baseModel}, and the engine's is ${engine.baseModel}`);
  }
  if (engine.taskType !== taskType) {
    throw invalid("model", `the model does ${taskType}, and the engine serves ${engine.taskType}`);
  }
}

/** The names to try, in order: one that somebody chose is the only one. */
function namesOf({ names }: Deployable, { name }: DeploymentRequest): (n: number) => string | null {
  if (name === undefined) return (n) => numbered(names.deployment, n);
  checkDeploymentName(name);
  return (n) => (n === 1 ? name : null);
}

/** Without a name, which `insert` gives it. */
export function newDeployment(
  ports: Pick<DeployPorts, "ids" | "clock">,
  principal: Principal,
  engine: EngineRecord,
  model: Deployable,
  request: Pick<DeploymentRequest, "description" | "modelText" | "origin">,
): DeploymentRecord {
  const { description, modelText, origin } = request;
  if (description !== undefined && description.length > MAX_DESCRIPTION_CHARS) {
    throw invalid("description", `must have at most ${String(MAX_DESCRIPTION_CHARS)} characters`);
  }
  const { taskType, baseModel, jobId, checkpoint, checkpointId, labels } = model;
  const nowMs = ports.clock.nowMs();
  return {
    id: ports.ids.next(),
    accountId: principal.accountId,
    projectId: principal.projectId,
    engineId: engine.id,
    name: "",
    description: description ?? null,
    ...{ origin, taskType, model: modelText, baseModel, jobId, checkpoint, checkpointId, labels },
    ...{ state: "live", error: null, readyRun: 0, readyAtMs: null },
    ...{ createdAtMs: nowMs, updatedAtMs: nowMs, stoppedAtMs: null, deletedAtMs: null },
  };
}

async function insert(
  { deployments }: Pick<DeployPorts, "deployments">,
  record: DeploymentRecord,
  nameOf: (n: number) => string | null,
): Promise<DeploymentRecord> {
  for (let n = 1; ; n += 1) {
    const deployment = { ...record, name: nameOf(n) ?? "" };
    try {
      await deployments.create(deployment);
      return deployment;
    } catch (error) {
      if (takenBy(error) !== "deployment" || nameOf(n + 1) === null || n >= MAX_NAMESAKES) throw error;
    }
  }
}
