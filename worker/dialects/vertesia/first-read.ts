/** The record that a path names: asked for together with the key, and 404 when it is not there or of another project. */
import type { Principal, ProjectRecord } from "../../domain/accounts";
import type { EnvironmentRecord } from "../../domain/environments";
import type { JobRecord } from "../../domain/job";
import type { FirstReadResult } from "../../domain/ports";
import type { TrainingSession } from "../../domain/training-sessions";
import { found, readById } from "../../http/first-reads";
import { PREFIX } from "./schema";

export const readSession = readById("session", PREFIX.bare);
export const readJob = readById("job", PREFIX.bare);
/** Of the account: so are projects. */
export const readEnvironment = readById("environment", PREFIX.bare);
export const readProject = readById("project", PREFIX.project);

interface Read {
  first: FirstReadResult;
  principal: Principal;
}

export function sessionOf({ first, principal }: Read): TrainingSession {
  const { session } = first;
  return found(session?.projectId === principal.projectId ? session : null, "training session");
}

export function jobOf({ first, principal }: Read): JobRecord {
  const { job } = first;
  return found(job?.projectId === principal.projectId ? job : null, "training job");
}

export function environmentOf({ first }: Pick<Read, "first">): EnvironmentRecord {
  return found(first.environment, "environment");
}

export function projectOf({ first }: Pick<Read, "first">): ProjectRecord {
  return found(first.project, "project");
}
