/** The only place that builds things: env → stores, streams, queue, clock, ids → services. */
import { accountServices, tokenServices } from "./container/account-services";
import { agentServices } from "./container/agent-services";
import { artifactServices } from "./container/artifact-services";
import { engineServices } from "./container/engine-services";
import { jobServices, taskServices } from "./container/job-services";
import { moduleServices } from "./container/module-services";
import { ports } from "./container/ports";
import {
  environmentServices,
  runServices,
  sessionUploadServices,
  trainingServices,
} from "./container/vertesia-services";
import { NO_FAULTS, type Faults } from "./domain/faults";
import type { Later } from "./domain/ports";
import type { Env } from "./env";
import { authenticate } from "./services/authenticate";
import { downloadBlob } from "./services/download-blob";
import type { Services } from "./services/services";
import { sweep, tickJob } from "./services/sweep";
import { sweepBytes } from "./services/sweep-bytes";
import { sweepDeleted } from "./services/sweep-deleted";
import { sweepImports } from "./services/sweep-imports";
import { verifyCheckpoint } from "./services/verify-checkpoint";

export * from "./container/engine-objects";
export * from "./container/objects";

/** The use-cases, for the edges. `later` is the request's `waitUntil`; only tests give `faults`. */
export function services(env: Env, later: Later, faults: Faults = NO_FAULTS): Services {
  const p = ports(env, later, faults);
  const engines = engineServices(p);
  return {
    authenticate: (key, scope, read) => authenticate(p, key, scope, read),
    ...accountServices(p),
    ...artifactServices(p),
    ...environmentServices(p),
    ...trainingServices(p),
    ...sessionUploadServices(p),
    ...jobServices(p),
    ...taskServices(p),
    ...agentServices(p),
    ...engines,
    ...runServices(p, engines),
    ...moduleServices(p),
    ...tokenServices(p),
    download: (token, request) => downloadBlob(p, token, request),
    tickJob: (jobId) => tickJob(p, jobId),
    sweep: () => sweep(p),
    sweepBytes: () => sweepBytes(p),
    sweepDeleted: () => sweepDeleted(p),
    sweepImports: () => sweepImports(p),
    verifyCheckpoint: (message) => verifyCheckpoint(p, message),
  };
}
