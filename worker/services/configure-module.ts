/** The parameters of a session: set while it is being set up, and shown with their defaults filled in. */
import { DomainError } from "../domain/errors";
import { checkConfig, filledConfig } from "../domain/module-config";
import type { ModuleConfig, ModuleSession } from "../domain/module-sessions";
import type { KeyedModuleCall, ModuleCall, ModuleConfigChanges, ModuleParameters } from "./module-services";
import { changedMeanwhile, heldSession, requireState, viewOf, type ModulePorts } from "./module-session";

export async function moduleParameters(ports: ModulePorts, { session }: ModuleCall): Promise<ModuleParameters> {
  if (!session) throw new DomainError("not_found", "there is no active session; GET /start_session begins one");
  return parametersOf(ports, session);
}

export async function configureModule(
  ports: ModulePorts,
  call: KeyedModuleCall,
  changes: ModuleConfigChanges,
): Promise<ModuleParameters> {
  const session = await heldSession(ports, call);
  requireState("configure", session);
  const config = withoutNulls({ ...session.config, ...changes });
  checkConfig({ ...session, config });
  if (!(await ports.moduleSessions.change(session, { config }))) throw changedMeanwhile();
  return parametersOf(ports, { ...session, config });
}

async function parametersOf(ports: ModulePorts, session: ModuleSession): Promise<ModuleParameters> {
  return { ...viewOf(session), key: await ports.moduleKeys.keyOf(session.id), config: filledConfig(session) };
}

function withoutNulls(changes: ModuleConfigChanges): ModuleConfig {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null));
}
