/** The routes of engines, deployments and inference. */
import type { Route } from "../../http/define-route";
import { createDeploymentRoute } from "./routes/create-deployment";
import { createEngineRoute } from "./routes/create-engine";
import { deactivateEngineRoute } from "./routes/deactivate-engine";
import { deleteDeploymentRoute } from "./routes/delete-deployment";
import { deleteEngineRoute } from "./routes/delete-engine";
import { deployOnEngineRoute } from "./routes/deploy-on-engine";
import { getDeploymentRoute } from "./routes/get-deployment";
import { getEngineRoute } from "./routes/get-engine";
import { getInferenceMetricsRoute } from "./routes/get-inference-metrics";
import { inferRoutes } from "./routes/infer";
import { listDeploymentsRoute } from "./routes/list-deployments";
import { listEnginesRoute } from "./routes/list-engines";
import { listRequestsRoute } from "./routes/list-requests";
import { reactivateDeploymentRoute } from "./routes/reactivate-deployment";
import { reactivateEngineRoute } from "./routes/reactivate-engine";
import { stopDeploymentRoute } from "./routes/stop-deployment";
import { updateEngineRoute } from "./routes/update-engine";

export const engineRoutes: Route[] = [
  createEngineRoute,
  listEnginesRoute,
  getEngineRoute,
  updateEngineRoute,
  deleteEngineRoute,
  reactivateEngineRoute,
  deactivateEngineRoute,
  deployOnEngineRoute,
  createDeploymentRoute,
  listDeploymentsRoute,
  getDeploymentRoute,
  reactivateDeploymentRoute,
  stopDeploymentRoute,
  deleteDeploymentRoute,
  listRequestsRoute,
  getInferenceMetricsRoute,
  ...inferRoutes,
];
