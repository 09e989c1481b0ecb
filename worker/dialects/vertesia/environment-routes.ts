/** The routes of environments. */
import type { Route } from "../../http/define-route";
import { createEnvironment } from "./routes/create-environment";
import { disableModel } from "./routes/disable-model";
import { enableModel } from "./routes/enable-model";
import { listEnvironmentModels } from "./routes/list-environment-models";
import { listEnvironments } from "./routes/list-environments";
import { listTrainableModels } from "./routes/list-trainable-models";
import { retrieveEnvironment } from "./routes/retrieve-environment";
import { updateEnvironment } from "./routes/update-environment";
import { updateEnvironmentConfig } from "./routes/update-environment-config";

export const environmentRoutes: Route[] = [
  listEnvironments,
  createEnvironment,
  retrieveEnvironment,
  updateEnvironment,
  updateEnvironmentConfig,
  listEnvironmentModels,
  enableModel,
  disableModel,
  listTrainableModels,
];
