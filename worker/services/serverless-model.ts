/** A catalogue model that is called by its own name: the first call makes the account's engine of it, however many race. */
import type { Principal } from "../domain/accounts";
import { parseBaseModel } from "../domain/base-model";
import { catalogueModel } from "../domain/catalogue";
import { shortModelName } from "../domain/engine-names";
import type { EngineRecord, ServedModel } from "../domain/engines";
import { insertEngine, newEngine, takenBy } from "./create-engine";
import { newDeployment, type DeployPorts } from "./deploy-model";
import { taskOfBase, type Deployable } from "./deployable-model";

/** null: there is no such model, or it does not answer by its name. */
export async function serverlessModel(
  ports: DeployPorts,
  principal: Principal,
  name: string,
): Promise<ServedModel | null> {
  if (!catalogueModel(name)?.supportServerless) return null;
  const known = await ports.deployments.named(principal.accountId, name);
  if (known) return known;
  const engine = await ports.engines.serverless(principal.accountId, name);
  try {
    return await (engine ? onEngine(ports, principal, engine) : withEngine(ports, principal, name));
  } catch (error) {
    // Another call was quicker.
    const made = takenBy(error) === null ? null : await ports.deployments.named(principal.accountId, name);
    if (made) return made;
    throw error;
  }
}

/** Its deployment was taken from it. */
async function onEngine(ports: DeployPorts, principal: Principal, engine: EngineRecord): Promise<ServedModel> {
  const deployment = deploymentOf(ports, principal, engine);
  await ports.deployments.create(deployment);
  await ports.engineDoors.of(engine.id).deploymentsChanged(false);
  return { deployment, engine };
}

async function withEngine(ports: DeployPorts, principal: Principal, baseModel: string): Promise<ServedModel> {
  const base = parseBaseModel(baseModel, { allowPaths: false });
  const taskType = taskOfBase(base);
  const engine = newEngine(ports, principal, { baseModel, base, taskType, isServerless: true });
  const record = { ...deploymentOf(ports, principal, engine), id: engine.id };
  const names = { engine: null, stem: `${shortModelName(baseModel)}-serverless` };
  const made = await insertEngine(ports, engine, names, { record, name: (n) => (n === 1 ? baseModel : null) });
  return { engine: made.engine, deployment: made.deployment ?? record };
}

/** Called as the model is, which no other deployment may be. */
function deploymentOf(ports: DeployPorts, principal: Principal, engine: EngineRecord) {
  const { base, baseModel, taskType } = engine;
  const model: Deployable = {
    ...{ base, baseModel, taskType, jobId: null, checkpoint: 0, checkpointId: null, labels: null },
    names: { deployment: baseModel, engine: engine.name },
  };
  const request = { modelText: baseModel, origin: "serverless" as const };
  return { ...newDeployment(ports, principal, engine, model, request), name: baseModel };
}
