/** Training sessions: made, listed, and given runs. What they are trained on: build-session.ts and session-data.ts. */
import { actorOf, type Principal } from "../domain/accounts";
import { parseBaseModel } from "../domain/base-model";
import { SESSION_METHOD } from "../domain/environment-models";
import type { EnvironmentRecord } from "../domain/environments";
import { checkedName, DomainError, invalid } from "../domain/errors";
import type {
  Clock,
  EnvironmentStore,
  Ids,
  OffsetPage,
  RunStore,
  Settings,
  TrainingSessionStore,
} from "../domain/ports";
import {
  MAX_SESSION_RUNS,
  sessionStatus,
  type SessionStatus,
  type TrainingSession,
  type TrainingSessionRecord,
} from "../domain/training-sessions";
import { baseJob, misfitOf, type BaseJobPorts } from "./base-job";

export interface SessionPorts extends BaseJobPorts {
  trainingSessions: TrainingSessionStore;
  environments: EnvironmentStore;
  runs: RunStore;
  settings: Settings;
  ids: Ids;
  clock: Clock;
}

/** Ids of one look-up. */
const IDS_AT_ONCE = 10_000;

export interface NewSession {
  name: string;
  /** Bare; null: of another form, which is not found. */
  environmentId: string | null;
  model: string;
}

export async function createSession(
  ports: SessionPorts,
  principal: Principal,
  { name, environmentId, model }: NewSession,
): Promise<TrainingSession> {
  const environment = await usableEnvironment(ports, principal, environmentId);
  await checkModel(ports, principal, model);
  const nowMs = ports.clock.nowMs();
  const by = actorOf(principal);
  const session: TrainingSessionRecord = {
    id: ports.ids.next(),
    accountId: principal.accountId,
    projectId: principal.projectId,
    name: checkedName(name),
    environmentId: environment.id,
    model,
    builtDatasetId: null,
    datasetId: null,
    buildingSinceMs: null,
    builtRows: null,
    skippedRuns: null,
    jobId: null,
    createdBy: by,
    updatedBy: by,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  };
  await ports.trainingSessions.create(session);
  return { ...session, job: null, environment };
}

/** Throws naming `env`. */
export async function usableEnvironment(
  ports: { environments: EnvironmentStore },
  { accountId, projectId }: Principal,
  id: string | null,
): Promise<EnvironmentRecord> {
  const environment = id === null ? null : await ports.environments.get(accountId, id);
  if (!environment) throw invalid("env", "is not an environment of the account");
  const { allowedProjects } = environment;
  if (allowedProjects.length > 0 && !allowedProjects.includes(projectId)) {
    throw invalid("env", "is an environment that this project may not use");
  }
  return environment;
}

/** What `start` would refuse is refused before anybody has picked runs for it. */
async function checkModel(ports: SessionPorts, principal: Principal, model: string): Promise<void> {
  const base = parseBaseModel(model, { allowPaths: ports.settings.dev });
  const earlier = await baseJob(ports, principal, base);
  const misfit = misfitOf(SESSION_METHOD, base, earlier?.job ?? null);
  if (misfit !== null) throw invalid("base_model", misfit);
}

export async function listSessions(
  ports: SessionPorts,
  { accountId, projectId }: Principal,
  status: SessionStatus | undefined,
  page: OffsetPage,
): Promise<TrainingSession[]> {
  const filter = { accountId, projectId, ...(status && { status }) };
  return ports.trainingSessions.list(filter, page, ports.clock.nowMs());
}

export async function listSessionNames(
  ports: SessionPorts,
  { accountId, projectId }: Principal,
  status: SessionStatus | undefined,
  page: OffsetPage,
): Promise<{ id: string; name: string }[]> {
  const filter = { accountId, projectId, ...(status && { status }) };
  return ports.trainingSessions.names(filter, page, ports.clock.nowMs());
}

export async function addSessionRuns(
  ports: SessionPorts,
  principal: Principal,
  session: TrainingSession,
  runIds: string[],
): Promise<void> {
  const { accountId, projectId } = principal;
  const wanted = [...new Set(runIds)];
  const has = await ports.trainingSessions.countRuns(session.id);
  if (has + wanted.length > MAX_SESSION_RUNS) {
    throw invalid("runs", `a session picks at most ${String(MAX_SESSION_RUNS)} runs, and it has ${String(has)}`);
  }
  const existing = new Set<string>();
  for (let at = 0; at < wanted.length; at += IDS_AT_ONCE) {
    const some = await ports.runs.existing(accountId, projectId, wanted.slice(at, at + IDS_AT_ONCE));
    for (const id of some) existing.add(id);
  }
  const missing = wanted.find((id) => !existing.has(id));
  if (missing !== undefined) {
    throw invalid(`runs.${String(runIds.indexOf(missing))}`, `'${missing.slice(0, 60)}' is not a run of this project`);
  }
  const change = { by: actorOf(principal), nowMs: ports.clock.nowMs() };
  if (!(await ports.trainingSessions.addRuns(session.id, wanted, change))) throw await cannotChange(ports, session);
}

const WHY_NOT: Partial<Record<SessionStatus, string>> = {
  building: "the session's data is being built by another request",
  processing: "the session's job has not ended: cancel it, or wait for its end",
  completed: "the session has completed: create another one",
};

/** Why a session takes no change now. */
export async function cannotChange(
  ports: Pick<SessionPorts, "trainingSessions" | "clock">,
  { accountId, id }: TrainingSession,
): Promise<DomainError> {
  const present = await ports.trainingSessions.get(accountId, id);
  const why = present && WHY_NOT[sessionStatus(present, ports.clock.nowMs())];
  return new DomainError("conflict", why ?? "the session was changed by another request at the same time: try again");
}
