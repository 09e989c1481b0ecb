/** Makes an engine. It starts at once, with or without deployments, unless it is out of its hours. */
import type { BaseModelRef, ServeTask } from "../../protocol";
import type { Principal } from "../domain/accounts";
import { baseMisfit } from "../domain/catalogue";
import { checkManagement, checkReplicas } from "../domain/engine-management";
import { numbered, shortModelName } from "../domain/engine-names";
import { isOutOfHours } from "../domain/engine-schedule";
import { DEFAULT_INACTIVE_SECONDS, methodOf, type DeploymentRecord, type EngineRecord } from "../domain/engines";
import { checkedName, DomainError, invalid } from "../domain/errors";
import { parseGpu } from "../domain/gpu";
import { serveTask } from "../../protocol";
import type { Clock, EngineDoors, EngineStore, Ids, Later, Settings } from "../domain/ports";
import { checkProvider } from "../domain/provider";
import { parseBase, taskOfBase } from "./deployable-model";
import type { EngineRequest } from "./engine-services";

/** Names that nobody has chosen are numbered so far. */
const MAX_NAMESAKES = 100;

export interface CreateEnginePorts {
  engines: EngineStore;
  engineDoors: EngineDoors;
  settings: Settings;
  clock: Clock;
  ids: Ids;
  later: Later;
}

export async function createEngine(
  ports: CreateEnginePorts,
  principal: Principal,
  request: EngineRequest,
): Promise<EngineRecord> {
  const base = parseBase(ports, request.baseModel);
  const taskType = checkTask(base, request.taskType);
  const engine = newEngine(ports, principal, { ...request, base, taskType });
  const names = { engine: request.name ?? null, stem: `${shortModelName(request.baseModel)}-engine` };
  return (await insertEngine(ports, engine, names, null)).engine;
}

function checkTask(base: BaseModelRef, text: string | undefined): ServeTask {
  if (text === undefined) return taskOfBase(base);
  const parsed = serveTask.safeParse(text);
  if (!parsed.success) {
    throw invalid("task_type", `unknown task '${text.slice(0, 100)}'; known: ${serveTask.options.join(", ")}`);
  }
  const misfit = baseMisfit(methodOf(parsed.data), base, null);
  if (misfit !== null) throw invalid("task_type", misfit);
  return parsed.data;
}

export interface NewEngine extends Pick<EngineRequest, "management" | "gpu" | "provider" | "replicas"> {
  baseModel: string;
  base: BaseModelRef;
  taskType: ServeTask;
  isServerless?: boolean;
}

/** Without a name, which `insertEngine` gives it. */
export function newEngine(ports: CreateEnginePorts, principal: Principal, request: NewEngine): EngineRecord {
  const { settings, clock, ids } = ports;
  const nowMs = clock.nowMs();
  const management = checkManagement(
    request.management ?? { kind: "inactive_timeout", seconds: DEFAULT_INACTIVE_SECONDS },
  );
  const gpu = request.gpu ?? settings.defaultGpu;
  const isDown = isOutOfHours(management, nowMs);
  return {
    id: ids.next(),
    accountId: principal.accountId,
    projectId: principal.projectId,
    name: "",
    baseModel: request.baseModel,
    base: request.base,
    taskType: request.taskType,
    gpu: parseGpu(gpu.type, gpu.count),
    provider: checkProvider(request.provider ?? null),
    management,
    replicas: checkReplicas(request.replicas ?? 1),
    isServerless: request.isServerless ?? false,
    // Its object makes the tasks of this run when it is told, or when the sweep comes by.
    status: isDown ? "inactive" : "starting",
    run: isDown ? 0 : 1,
    taskIds: [],
    problem: null,
    version: 0,
    lastAccessAtMs: nowMs,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    activeSinceMs: null,
    deactivatedAtMs: null,
    deletedAtMs: null,
  };
}

export interface NewNames {
  /** As somebody chose it; null: the first of the `stem`'s that is free. */
  engine: string | null;
  stem: string;
}

/** `deployment`: its first one, with the names to try for it in order. */
export async function insertEngine(
  ports: CreateEnginePorts,
  unnamed: EngineRecord,
  names: NewNames,
  deployment: { record: DeploymentRecord; name: (n: number) => string | null } | null,
): Promise<{ engine: EngineRecord; deployment: DeploymentRecord | null }> {
  if (names.engine !== null) checkedName(names.engine);
  const tries = { engine: 1, deployment: 1 };
  for (;;) {
    const engine = { ...unnamed, name: names.engine ?? numbered(names.stem, tries.engine) };
    const deployed = deployment && { ...deployment.record, name: deployment.name(tries.deployment) ?? "" };
    try {
      await ports.engines.create(engine, deployed);
      ports.later(ports.engineDoors.of(engine.id).tick());
      return { engine, deployment: deployed };
    } catch (error) {
      const taken = takenBy(error);
      const isChosen = taken === "engine" ? names.engine !== null : deployment?.name(tries.deployment + 1) == null;
      if ((taken !== "engine" && taken !== "deployment") || isChosen || tries[taken] >= MAX_NAMESAKES) throw error;
      tries[taken] += 1;
    }
  }
}

/** What of a new record belongs to another already; null for other errors. */
export function takenBy(error: unknown): unknown {
  return error instanceof DomainError && error.code === "conflict" ? (error.detail.facts?.["taken"] ?? null) : null;
}
