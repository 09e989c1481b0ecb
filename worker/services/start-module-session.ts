/** Begins the Training Module's session of an account, where there is none or the one that there is shall end. */
import { DomainError } from "../domain/errors";
import type { ModuleSession } from "../domain/module-sessions";
import { moduleState } from "../domain/module-state";
import type { Clock, Ids, JobStore } from "../domain/ports";
import type { ControlPorts } from "./control-job";
import type { ModuleCall, ModuleView } from "./module-services";
import { cancelTasks, viewOf, type ModulePorts } from "./module-session";

export interface StartPorts extends ModulePorts, ControlPorts {
  jobs: JobStore;
  ids: Ids;
  clock: Clock;
}

export async function startModuleSession(
  ports: StartPorts,
  { principal, session: active }: ModuleCall,
  force: boolean,
): Promise<ModuleView & { key: string }> {
  if (active && !force) throw alreadyActive(moduleState(active));
  // Before the session ends, so that a crash between leaves nothing running that no session knows.
  if (active) await cancelTasks(ports, active);
  const { accountId, projectId } = principal;
  const session = newSession({ id: ports.ids.next(), accountId, projectId, createdAtMs: ports.clock.nowMs() });
  const { preprocess: _p, train: _t, import: _i, ...record } = session;
  const { started, ended } = await ports.moduleSessions.start(record, active?.id ?? null);
  // Once more: a call that came between may have begun a task.
  if (ended) await cancelTasks(ports, ended);
  if (!started) throw alreadyActive("setup");
  return { ...viewOf(session), key: await ports.moduleKeys.keyOf(session.id) };
}

function newSession(begun: Pick<ModuleSession, "id" | "accountId" | "projectId" | "createdAtMs">): ModuleSession {
  return {
    ...begun,
    config: {},
    trainDatasetId: null,
    testDatasetId: null,
    preprocessJobId: null,
    trainJobId: null,
    importJobId: null,
    importedModel: null,
    version: 0,
    endedAtMs: null,
    preprocess: null,
    train: null,
    import: null,
  };
}

function alreadyActive(state: string): DomainError {
  const what = `there is an active session already, in state '${state}'`;
  return new DomainError("conflict", `${what}: go on with its key, or GET /start_session?force_restart=1 wipes it`);
}
