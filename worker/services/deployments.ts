/** Deployments as people have them. What ends one tells its engine's object, which tells the agents. */
import type { Principal } from "../domain/accounts";
import type { EngineRecord, ServedModel } from "../domain/engines";
import { DomainError, notFound } from "../domain/errors";
import type { InferenceLogEntry, InferenceMetrics } from "../domain/inference";
import type { Clock, DeploymentFilter, DeploymentStore, EngineDoors, Page, PageRequest } from "../domain/ports";

export interface DeploymentPorts {
  deployments: DeploymentStore;
  engineDoors: EngineDoors;
  clock: Clock;
}

export async function listDeployments(
  { deployments }: DeploymentPorts,
  { accountId }: Principal,
  filter: DeploymentFilter,
  page: PageRequest,
): Promise<Page<ServedModel>> {
  return deployments.list(accountId, filter, page);
}

export async function getDeployment(
  { deployments }: DeploymentPorts,
  { accountId }: Principal,
  id: string,
): Promise<ServedModel> {
  const served = await deployments.get(accountId, id);
  if (!served) throw notFound("deployment");
  return served;
}

export async function undeploy(ports: DeploymentPorts, engine: EngineRecord, name: string): Promise<void> {
  const served = await ports.deployments.named(engine.accountId, name);
  if (served?.engine.id !== engine.id) throw notFound("deployment");
  await ports.deployments.markTerminated(served.deployment.id, ports.clock.nowMs());
  await ports.engineDoors.of(engine.id).deploymentsChanged(false);
}

export async function reactivateDeployment(ports: DeploymentPorts, served: ServedModel): Promise<ServedModel> {
  const { deployment, engine } = served;
  const door = ports.engineDoors.of(engine.id);
  const isDown = engine.status === "inactive";
  if (deployment.state === "terminated") throw new DomainError("illegal_transition", "the deployment was terminated");
  if (deployment.state === "live" && !isDown) {
    throw new DomainError("illegal_transition", `the deployment is up or on its way: its engine is ${engine.status}`);
  }
  if (deployment.state === "failed") await ports.deployments.markLive(deployment.id, ports.clock.nowMs());
  await (isDown ? door.reactivate() : door.deploymentsChanged(true));
  return present(ports, served);
}

export async function stopDeployment(ports: DeploymentPorts, served: ServedModel): Promise<ServedModel> {
  if (served.deployment.state === "terminated") return served;
  await terminate(ports, served, false);
  return present(ports, served);
}

/** Its log of requests goes with it where its engine does. */
export async function deleteDeployment(ports: DeploymentPorts, served: ServedModel): Promise<void> {
  await terminate(ports, served, true);
  await ports.deployments.markDeleted(served.deployment.id, ports.clock.nowMs());
}

async function terminate(ports: DeploymentPorts, { deployment, engine }: ServedModel, erases: boolean): Promise<void> {
  await ports.deployments.markTerminated(deployment.id, ports.clock.nowMs());
  const door = ports.engineDoors.of(engine.id);
  // An engine that was made for it has its id, and ends with it unless others were put on it.
  const isOwn = engine.id === deployment.id && (await ports.deployments.ofEngine(engine.id)).length === 0;
  if (isOwn) await door.remove(erases);
  else if (engine.deletedAtMs === null) await door.deploymentsChanged(false);
}

async function present({ deployments }: DeploymentPorts, { deployment }: ServedModel): Promise<ServedModel> {
  const served = await deployments.get(deployment.accountId, deployment.id);
  if (!served) throw notFound("deployment");
  return served;
}

export async function deploymentRequests(
  { engineDoors }: DeploymentPorts,
  { deployment }: ServedModel,
  page: PageRequest,
): Promise<Page<InferenceLogEntry>> {
  return engineDoors.of(deployment.engineId).requests(deployment.id, page);
}

/** One call for each engine. */
export async function deploymentMetrics(
  { engineDoors }: DeploymentPorts,
  served: ServedModel[],
): Promise<Map<string, InferenceMetrics>> {
  const byEngine = new Map<string, string[]>();
  for (const { deployment } of served) {
    byEngine.set(deployment.engineId, [...(byEngine.get(deployment.engineId) ?? []), deployment.id]);
  }
  const answers = [...byEngine].map(([engineId, ids]) => engineDoors.of(engineId).metrics(ids));
  return new Map((await Promise.all(answers)).flatMap((answer) => Object.entries(answer)));
}
