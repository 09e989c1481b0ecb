/** Engines, deployments and inference, bound to their ports. */
import { DomainError } from "../domain/errors";
import type { EngineServices } from "../services/engine-services";

/** Until each is built. */
const refused = (): Promise<never> =>
  Promise.reject(new DomainError("not_implemented", "this deployment serves no inference yet"));

export function engineServices(): EngineServices {
  return {
    createEngine: refused,
    listEngines: refused,
    getEngine: refused,
    configureEngine: refused,
    deleteEngine: refused,
    reactivateEngine: refused,
    deactivateEngine: refused,
    deploymentCounts: refused,
    deployOn: refused,
    createDeployment: refused,
    listDeployments: refused,
    getDeployment: refused,
    undeploy: refused,
    reactivateDeployment: refused,
    stopDeployment: refused,
    deleteDeployment: refused,
    infer: refused,
    serverlessModel: refused,
    deploymentRequests: refused,
    deploymentMetrics: refused,
    connectEngine: refused,
    servedDeployments: refused,
    sweepEngines: refused,
  };
}
