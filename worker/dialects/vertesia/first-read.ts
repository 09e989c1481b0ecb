/** The record that a path names: asked for together with the key, and 404 when it is not there or of another project. */
import type { Principal } from "../../domain/accounts";
import type { FirstReadResult } from "../../domain/ports";
import type { TrainingSession } from "../../domain/training-sessions";
import { found, readById } from "../../http/first-reads";
import { PREFIX } from "./schema";

export const readSession = readById("session", PREFIX.bare);

interface Read {
  first: FirstReadResult;
  principal: Principal;
}

export function sessionOf({ first, principal }: Read): TrainingSession {
  const { session } = first;
  return found(session?.projectId === principal.projectId ? session : null, "training session");
}
