/** Engines as people have them: what changes one is done by its object. */
import type { Principal } from "../domain/accounts";
import { checkManagement, checkReplicas } from "../domain/engine-management";
import type { EngineManagement, EngineRecord } from "../domain/engines";
import { notFound } from "../domain/errors";
import type {
  Clock,
  DeploymentStore,
  EngineDoors,
  EngineFilter,
  EngineStore,
  Page,
  PageRequest,
} from "../domain/ports";
import { attempted } from "./attempted";

export interface EnginePorts {
  engines: EngineStore;
  deployments: DeploymentStore;
  engineDoors: EngineDoors;
  clock: Clock;
}

export async function listEngines(
  { engines }: EnginePorts,
  { accountId }: Principal,
  filter: EngineFilter,
  page: PageRequest,
): Promise<Page<EngineRecord>> {
  return engines.list(accountId, filter, page);
}

export async function getEngine({ engines }: EnginePorts, { accountId }: Principal, id: string): Promise<EngineRecord> {
  const engine = await engines.get(accountId, id);
  if (!engine) throw notFound("engine");
  return engine;
}

export async function configureEngine(
  { engineDoors }: EnginePorts,
  { id }: EngineRecord,
  { management, replicas }: { management?: EngineManagement; replicas?: number },
): Promise<EngineRecord> {
  return engineDoors.of(id).configure({
    ...(management && { management: checkManagement(management) }),
    ...(replicas === undefined ? {} : { replicas: checkReplicas(replicas) }),
  });
}

/** Its deployments go first: should this break off, the engine is still there to be deleted, and no name stays taken. */
export async function deleteEngine(ports: EnginePorts, { id }: EngineRecord): Promise<void> {
  await deleteDeploymentsOf(ports, id);
  await ports.engineDoors.of(id).remove(true);
  // Those that were made meanwhile.
  await deleteDeploymentsOf(ports, id);
}

async function deleteDeploymentsOf({ deployments, clock }: EnginePorts, engineId: string): Promise<void> {
  const its = await deployments.ofEngine(engineId);
  const nowMs = clock.nowMs();
  await Promise.all(its.map(({ id }) => deployments.markDeleted(id, nowMs)));
}

export async function reactivateEngine({ engineDoors }: EnginePorts, { id }: EngineRecord): Promise<EngineRecord> {
  return engineDoors.of(id).reactivate();
}

export async function deactivateEngine({ engineDoors }: EnginePorts, { id }: EngineRecord): Promise<EngineRecord> {
  return engineDoors.of(id).deactivate();
}

export async function deploymentCounts(
  { deployments }: EnginePorts,
  engines: EngineRecord[],
): Promise<Map<string, number>> {
  return deployments.countsOf(engines.map(({ id }) => id));
}

const SWEPT_AT_ONCE = 50;
const SWEEP_EVERY_MS = 5 * 60_000;

/** Engines whose objects may have lost their alarms: each looks after itself when it is told to. */
export async function sweepEngines({ engines, engineDoors, clock }: EnginePorts): Promise<void> {
  const nowMs = clock.nowMs();
  const due = await engines.takeDue(nowMs, nowMs + SWEEP_EVERY_MS, SWEPT_AT_ONCE);
  await Promise.all(due.map((id) => attempted(`engine ${id}`, engineDoors.of(id).tick())));
}
