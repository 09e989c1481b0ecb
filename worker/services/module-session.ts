/** What all of the Training Module's services begin and end with: the session that a key is of, and what is told of it. */
import type { Principal } from "../domain/accounts";
import { DomainError, notFound } from "../domain/errors";
import type { JobRecord } from "../domain/job";
import { isTerminal } from "../domain/job-status";
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
import { cancelJob, type ControlPorts } from "./control-job";
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

/** All that has not ended, of all three kinds. */
export async function cancelTasks(
  ports: ControlPorts & { jobs: JobStore },
  session: ModuleSessionRecord,
): Promise<void> {
  const ids = [session.preprocessJobId, session.trainJobId, session.importJobId].filter((id) => id !== null);
  const jobs = await Promise.all(ids.map((id) => ports.jobs.get(session.accountId, id)));
  const live = jobs.flatMap((job) => (job === null || isTerminal(job.status) ? [] : [job]));
  await Promise.all(live.map((job) => cancelLive(ports, job)));
}

/** One that ends by itself in the meantime has ended all the same. */
export async function cancelLive(ports: ControlPorts, job: JobRecord): Promise<void> {
  try {
    await cancelJob(ports, job);
  } catch (error) {
    const hasEnded = error instanceof DomainError && ["not_cancellable", "illegal_transition"].includes(error.code);
    if (!hasEnded) throw error;
  }
}

/** Somebody else's call came between. */
export function changedMeanwhile(): DomainError {
  return new DomainError("conflict", "another call has changed the session meanwhile; GET /status tells its state");
}
