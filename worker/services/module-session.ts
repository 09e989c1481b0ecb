/** What all of the Training Module's services begin and end with: the session that a key is of, and what is told of it. */
import { TASK_KINDS, type TaskKind } from "../../protocol";
import type { Principal } from "../domain/accounts";
import { DomainError, notFound } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import type {
  ModuleKeys,
  ModuleSession,
  ModuleSessionRecord,
  ModuleSessionStore,
  ModuleTask,
} from "../domain/module-sessions";
import {
  importMessage,
  importState,
  isAllowed,
  moduleState,
  refusal,
  stateMessage,
  type ModuleAction,
} from "../domain/module-state";
import type { JobStore } from "../domain/ports";
import { cancelLive, type ControlPorts } from "./control-job";
import type { KeyedModuleCall, ModuleCall, ModuleView } from "./module-services";

export interface ModulePorts {
  moduleSessions: ModuleSessionStore;
  moduleKeys: ModuleKeys;
}

/** The session that the key is of. Another's, an ended one's and no key at all are the same. */
export async function heldSession(ports: ModulePorts, { session, key }: KeyedModuleCall): Promise<ModuleSession> {
  if (session && (await ports.moduleKeys.isKeyOf(session.id, key))) return session;
  throw new DomainError("not_found", "no active session has this key; GET /start_session begins one");
}

export function requireState(action: ModuleAction, session: ModuleSession): void {
  if (!isAllowed(action, session)) throw new DomainError("conflict", refusal(action, session));
}

export function viewOf(session: ModuleSession | null, message = stateMessage(session)): ModuleView {
  return { state: moduleState(session), importState: importState(session?.import ?? null), message };
}

export function moduleStatus({ session }: ModuleCall, about: "session" | "import"): ModuleView {
  return viewOf(session, about === "import" ? importMessage(session?.import ?? null) : undefined);
}

/** Whoever calls, in the project that the session began in. */
export function inProjectOf({ projectId }: ModuleSession, principal: Principal): Principal {
  return { ...principal, projectId };
}

export function taskOf({ status, reasonMessage }: JobRecord): ModuleTask {
  return { status, reasonMessage };
}

/** A task of the session's; one that was deleted through another API is not found. */
export async function jobOf(ports: { jobs: JobStore }, session: ModuleSession, id: string | null): Promise<JobRecord> {
  const job = id === null ? null : await ports.jobs.get(session.accountId, id);
  if (!job) throw notFound("the session's job");
  return job;
}

/**
 * All that has not ended, of all three kinds: what was made for the session, whether or not its row knows of it. A worker
 * that dies between the two leaves a task that the row does not have.
 */
export async function cancelTasks(
  ports: ControlPorts & { jobs: JobStore },
  { id, accountId }: Pick<ModuleSessionRecord, "id" | "accountId">,
): Promise<void> {
  const live = await ports.jobs.unendedOfKeys(accountId, TASK_KINDS.map(taskRoute), taskKeyPrefix(id));
  await Promise.all(live.map((job) => cancelLive(ports, job)));
}

/** Those of its kind that were made before `job`, which is the session's now: their workers died before it knew them. */
export async function cancelOlder(
  ports: ControlPorts & { jobs: JobStore },
  { id, accountId }: Pick<ModuleSessionRecord, "id" | "accountId">,
  kind: TaskKind,
  job: JobRecord,
): Promise<void> {
  const live = await ports.jobs.unendedOfKeys(accountId, [taskRoute(kind)], taskKeyPrefix(id));
  await Promise.all(live.filter((other) => other.id < job.id).map((other) => cancelLive(ports, other)));
}

/** A session's tasks by the idempotency keys that they are made with. */
export function taskRoute(kind: TaskKind): string {
  return `training-module.${kind}`;
}

export function taskKeyPrefix(sessionId: string): string {
  return `${sessionId}.`;
}

/** Somebody else's call came between. */
export function changedMeanwhile(): DomainError {
  return new DomainError("conflict", "another call has changed the session meanwhile; GET /status tells its state");
}
