/** What lives in an engine's object: its door, and the relay between requests and agents. Each needs the other. */
import { ports } from "./ports";
import { loggable } from "../domain/errors";
import { NO_FAULTS, type Faults } from "../domain/faults";
import type { InferenceMetrics } from "../domain/inference";
import type { Later } from "../domain/ports";
import type { Env } from "../env";
import { RelayHub } from "../relay/hub";
import { RequestLog } from "../relay/request-log";
import { ServingDoor } from "../services/engine-door";
import { recordCall } from "../services/record-call";
import { ServeRequests } from "../services/serve-request";
import { ObjectEngineLocal } from "../streams/engine-local";
import { timerScheduler } from "../streams/timer-scheduler";

export type EngineObjectParts = ReturnType<typeof engineObjectParts>;

/** Only tests give `faults`. */
export function engineObjectParts(ctx: DurableObjectState, env: Env, engineId: string, faults: Faults = NO_FAULTS) {
  const later: Later = (work) => {
    ctx.waitUntil(work.catch((error: unknown) => console.error("work of an engine failed", engineId, loggable(error))));
  };
  const p = ports(env, later, faults);
  const { inferenceIdleMs: idleMs, inferenceTotalMs: totalMs, wakeWaitMs } = p.settings;
  const local = new ObjectEngineLocal(ctx.storage);
  local.setEngineId(engineId);
  const log = new RequestLog(ctx.storage);
  const relay = new RelayHub({
    ...{ state: ctx, clock: p.clock, scheduler: timerScheduler, limits: { idleMs, totalMs } },
    events: () => door,
  });
  const door: ServingDoor = new ServingDoor({ ...p, engineId, local, relay });
  const requests = new ServeRequests({ ...p, door, relay, log, wakeWaitMs, record: recordCall.bind(null, p) });
  const metrics = (deploymentIds: string[]): Record<string, InferenceMetrics> =>
    Object.fromEntries(deploymentIds.map((id) => [id, { ...log.metrics(id), openStreams: relay.openStreams(id) }]));
  return { local, relay, door, requests, log, metrics };
}
