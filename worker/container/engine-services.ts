/** Engines, deployments and inference, bound to their ports. */
import type { Ports } from "./ports";
import { createEngine } from "../services/create-engine";
import { createDeployment, deployOn } from "../services/deploy-model";
import * as deployments from "../services/deployments";
import type { EngineServices } from "../services/engine-services";
import * as engines from "../services/engines";
import { infer } from "../services/infer";
import { connectEngine, servedDeployments } from "../services/serve-lease";
import { serverlessModel } from "../services/serverless-model";

export function engineServices(p: Ports): EngineServices {
  return {
    createEngine: (principal, request) => createEngine(p, principal, request),
    listEngines: (principal, filter, page) => engines.listEngines(p, principal, filter, page),
    getEngine: (principal, id) => engines.getEngine(p, principal, id),
    configureEngine: (engine, change) => engines.configureEngine(p, engine, change),
    deleteEngine: (engine) => engines.deleteEngine(p, engine),
    reactivateEngine: (engine) => engines.reactivateEngine(p, engine),
    deactivateEngine: (engine) => engines.deactivateEngine(p, engine),
    deploymentCounts: (some) => engines.deploymentCounts(p, some),
    deployOn: (principal, engine, request) => deployOn(p, principal, engine, request),
    createDeployment: (principal, request, engine) => createDeployment(p, principal, request, engine),
    listDeployments: (principal, filter, page) => deployments.listDeployments(p, principal, filter, page),
    getDeployment: (principal, id) => deployments.getDeployment(p, principal, id),
    undeploy: (engine, name) => deployments.undeploy(p, engine, name),
    reactivateDeployment: (served) => deployments.reactivateDeployment(p, served),
    stopDeployment: (served) => deployments.stopDeployment(p, served),
    deleteDeployment: (served) => deployments.deleteDeployment(p, served),
    infer: (principal, served, request) => infer(p, principal, served, request),
    serverlessModel: (principal, name) => serverlessModel(p, principal, name),
    deploymentRequests: (served, page) => deployments.deploymentRequests(p, served, page),
    deploymentMetrics: (served) => deployments.deploymentMetrics(p, served),
    connectEngine: (agent, engineId, query, request) => connectEngine(p, agent, engineId, query, request),
    servedDeployments: (agent, leaseId, origin) => servedDeployments(p, agent, leaseId, origin),
    sweepEngines: () => engines.sweepEngines(p),
  };
}
