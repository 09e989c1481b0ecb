/** Keeps a model server running: one that ends by itself is started again, but not for ever. */
import type { Clock } from "../clock";
import type { Log } from "../log";
import { untilAborted } from "../until-aborted";
import { ServerFailed, type ModelServer } from "./model-server";

/** A server that has ended more often than this without answering anything would do so again. */
const MAX_ENDS = 5;
const RESTART_PAUSE_MS = 500;
const STOP_GRACE_MS = 5_000;
/** Its event loop may be held up while a large model is loaded; a server that is silent for this long has hung. */
const HUNG_AFTER_MS = 300_000;
const LOOK_EVERY_MS = 30_000;

export interface KeepServerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseId: string;
  /** Aborts when the server is no longer wanted. */
  readonly stopping: AbortSignal;
  /** How many requests were answered whole until now. */
  readonly answered: () => number;
  readonly start: () => Promise<ModelServer>;
  readonly onUp: (server: ModelServer) => Promise<void>;
  /** It has ended by itself. */
  readonly onDown: (why: string) => Promise<void>;
  /** It is no longer wanted, and runs until this is done. */
  readonly drain: () => Promise<void>;
}

/** null: it was no longer wanted. Otherwise why another start is of no use; throws what this machine cannot do. */
export async function keepServer(deps: KeepServerDeps): Promise<string | null> {
  const { clock, stopping } = deps;
  for (let ends = 1, answered = 0; !stopping.aborted; ends += 1) {
    const end = await runOnce(deps);
    if (end.kind === "stopped") return null;
    if (end.kind === "failed") return end.why;
    deps.log.warn(`${deps.leaseId}: ${end.why}; it is started again`);
    if (deps.answered() > answered) ends = 1;
    answered = deps.answered();
    if (ends > MAX_ENDS) return `the model server ends again and again, ${ends} times by now; at last: ${end.why}`;
    await clock.sleep(RESTART_PAUSE_MS * 2 ** (ends - 1), stopping);
  }
  return null;
}

type End = { kind: "stopped" } | { kind: "failed"; why: string } | { kind: "ended"; why: string };

async function runOnce({ clock, start, onUp, onDown, drain, stopping }: KeepServerDeps): Promise<End> {
  let server: ModelServer;
  try {
    server = await start();
  } catch (error) {
    if (stopping.aborted) return { kind: "stopped" };
    if (error instanceof ServerFailed) return { kind: "failed", why: error.message };
    throw error;
  }
  const over = new AbortController();
  try {
    await onUp(server);
    const hung = untilHung(server, clock, over.signal);
    const why = await Promise.race([server.ended, hung, untilAborted(stopping)]);
    if (why !== undefined) {
      await onDown(why);
      return { kind: "ended", why };
    }
    await drain();
    return { kind: "stopped" };
  } finally {
    over.abort();
    await server.stop(STOP_GRACE_MS);
  }
}

/** Resolves with what to say of it when the server has not answered for too long, or with nothing when `over` aborts. */
async function untilHung(server: ModelServer, clock: Clock, over: AbortSignal): Promise<string | undefined> {
  for (let silentMs = 0; silentMs < HUNG_AFTER_MS;) {
    await clock.sleep(LOOK_EVERY_MS, over);
    if (over.aborted) return undefined;
    const isUp = await answersWithin(server, clock, over);
    silentMs = isUp ? 0 : silentMs + 2 * LOOK_EVERY_MS;
  }
  return `the model server has not answered for ${HUNG_AFTER_MS / 1000} s`;
}

async function answersWithin(server: ModelServer, clock: Clock, over: AbortSignal): Promise<boolean> {
  const enough = new AbortController();
  const limit = AbortSignal.any([enough.signal, over]);
  const late = clock.sleep(LOOK_EVERY_MS, limit).then(() => false);
  const isUp = await Promise.race([server.isUp(limit), late]);
  enough.abort();
  return isUp;
}
