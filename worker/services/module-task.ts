/** A task as a session's own: made once, however many ask at once, and the session's or cancelled. */
import type { TrainerTaskKind } from "../../protocol";
import type { JobRecord } from "../domain/job";
import type { ModuleChanges, ModuleSession } from "../domain/module-sessions";
import { cancelLive } from "./control-job";
import type { CreatePorts } from "./create-job";
import type { SpecPorts } from "./job-spec";
import type { ModuleView } from "./module-services";
import {
  cancelOlder,
  changedMeanwhile,
  taskKeyPrefix,
  taskOf,
  taskRoute,
  viewOf,
  type ModulePorts,
} from "./module-session";
import type { Idempotency, JobRequest } from "./services";

export interface ModuleTaskPorts extends ModulePorts, SpecPorts, CreatePorts {
  sha256Hex: (text: string) => Promise<string>;
}

/** The version in the key makes two calls at once one task, and a later call another. */
export async function idempotencyOf(
  { sha256Hex }: ModuleTaskPorts,
  session: ModuleSession,
  request: JobRequest,
): Promise<Idempotency> {
  const route = taskRoute(request.kind ?? "train");
  const key = taskKeyPrefix(session.id) + String(session.version);
  return { route, key, requestSha256: await sha256Hex(JSON.stringify(request)) };
}

/** Makes `job` the session's. When another call was quicker, a job that is nobody's is cancelled. */
export async function attach(
  ports: ModuleTaskPorts,
  session: ModuleSession,
  slot: TrainerTaskKind,
  job: JobRecord,
  also: ModuleChanges = {},
): Promise<ModuleView> {
  const changes = { ...also, [`${slot}JobId`]: job.id };
  if (await ports.moduleSessions.change(session, changes)) {
    await cancelOlder(ports, session, slot, job);
    return viewOf({ ...session, [slot]: taskOf(job) });
  }
  const now = await ports.moduleSessions.active(session.accountId);
  if (now?.id === session.id && now[`${slot}JobId`] === job.id) return viewOf(now);
  await cancelLive(ports, job);
  throw changedMeanwhile();
}
